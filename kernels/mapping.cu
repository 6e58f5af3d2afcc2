// The mapping network as one kernel: all blocks run side by side (a cooperative launch) and meet at a barrier after
// every layer. A warp computes one output for all vectors of the batch; what other blocks wrote is read past the
// first-level cache, which is not kept coherent. 16.8 MB of weights for final_linear and 1 MB a layer at 512 channels:
// the time is that of reading them, plus the barriers.
#include <algorithm>

#include "kernels/gpu_elements.h"
#include "runtime/constants.h"
#include "runtime/gpu/ptx.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kMostLayers = 32, kRowsAtOnce = 4;

struct MappingLayer {
  const float* weights;  // [outputs][inputs]
  const float* bias;
};

struct MappingArguments {
  MappingLayer layer[kMostLayers];  // final_linear first
  int layers;
  const float* x;
  int x_count;       // inputs of final_linear
  int dim, outputs;  // of every layer; outputs: rounded up to 16
  int n;
  float* scratch[2];  // n x outputs
  float* latent;
  unsigned* arrived;  // 0 before and after
};

// Waits until all blocks have come here for the round-th time (counted from 1).
__device__ __forceinline__ void meet(unsigned* arrived, unsigned round) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicAdd(arrived, 1u);
    while (gpu::load_acquire(arrived) < round * gridDim.x) gpu::pause();
  }
  __syncthreads();
}

__device__ __forceinline__ float activated(float v) { return (v > 0 ? v : 0.2f * v) * kSqrt2; }

// Outputs of this block's warps; x: n rows of `count`, x_stride apart, times factor[row].
__device__ __forceinline__ void layer_outputs(const MappingArguments& p, const MappingLayer& layer, const float* x,
                                              int count, int64_t x_stride, const float* factor, float* y,
                                              int64_t y_stride, int y_count) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int o = static_cast<int>(blockIdx.x) * kWarps + warp; o < y_count; o += static_cast<int>(gridDim.x) * kWarps) {
    const float* const weights = layer.weights + static_cast<size_t>(o) * count;
    for (int first = 0; first < p.n; first += kRowsAtOnce) {
      float sum[kRowsAtOnce] = {};
#pragma unroll 4
      for (int k = lane; k < count; k += 32) {
        const float w = __ldg(weights + k);
#pragma unroll
        for (int i = 0; i < kRowsAtOnce; ++i)
          if (first + i < p.n) sum[i] = fmaf(w, gpu::load_uncached(x + (first + i) * x_stride + k), sum[i]);
      }
#pragma unroll
      for (int i = 0; i < kRowsAtOnce; ++i) {
        const float total = warp_sum(sum[i]);
        if (lane == i && first + i < p.n)
          y[(first + i) * y_stride + o] =
              activated(fmaf(total, factor == nullptr ? 1.f : factor[first + i], layer.bias[o]));
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads) mapping_kernel(const __grid_constant__ MappingArguments p) {
  float* const factor = gpu::dynamic_shared<float>();  // [n]: of pixel_norm
  unsigned round = 0;
  layer_outputs(p, p.layer[0], p.x, p.x_count, p.x_count, nullptr, p.scratch[0], p.outputs, p.outputs);
  meet(p.arrived, ++round);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int row = static_cast<int>(threadIdx.x) / 32; row < p.n; row += kWarps) {
    float sum = 0;
    for (int k = lane; k < p.dim; k += 32) {
      const float v = gpu::load_uncached(p.scratch[0] + static_cast<size_t>(row) * p.outputs + k);
      sum = fmaf(v, v, sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) factor[row] = 1.f / sqrtf(sum / static_cast<float>(p.dim) + 1e-8f);
  }
  __syncthreads();
  for (int l = 1; l < p.layers; ++l) {
    const bool last = l + 1 == p.layers;
    layer_outputs(p, p.layer[l], p.scratch[(l - 1) % 2], p.dim, p.outputs, l == 1 ? factor : nullptr,
                  last ? p.latent : p.scratch[l % 2], last ? p.dim : p.outputs, last ? p.dim : p.outputs);
    if (!last) meet(p.arrived, ++round);
  }
  if (p.layers == 1) {  // no style layers: the normalised vector itself
    for (int k = static_cast<int>(blockIdx.x * kThreads + threadIdx.x); k < p.n * p.dim;
         k += static_cast<int>(gridDim.x) * kThreads)
      p.latent[k] =
          gpu::load_uncached(p.scratch[0] + static_cast<size_t>(k / p.dim) * p.outputs + k % p.dim) * factor[k / p.dim];
  }
  // The last block to leave puts the counter back: everybody has passed the last barrier by then.
  __syncthreads();
  if (threadIdx.x == 0 && atomicAdd(p.arrived, 1u) + 1 == (round + 1) * gridDim.x) *p.arrived = 0;
}

}  // namespace

void mapping_network(Exec& exec, const LinearWeights& final_linear, std::span<const LinearWeights> style,
                     const float* x, int64_t n, int64_t dim, float* latent) {
  Workspace::Handle handles[2];
  const int64_t outputs = final_linear.outputs();
  MappingArguments p{};
  for (int i = 0; i < 2; ++i) p.scratch[i] = exec.ws.take(static_cast<size_t>(n * outputs), &handles[i]);
  if (!exec.dry()) {
    if (style.size() + 1 > kMostLayers)
      return exec.device->note_error(fail(Code::model, "the mapping network has ", style.size(), " layers, at most ",
                                          kMostLayers - 1, " are supported on a device"));
    p.layer[p.layers++] = {final_linear.data(), final_linear.bias()};
    for (const LinearWeights& w : style) p.layer[p.layers++] = {w.data(), w.bias()};
    p.x = x;
    p.x_count = static_cast<int>(final_linear.inputs());
    p.dim = static_cast<int>(dim);
    p.outputs = static_cast<int>(outputs);
    p.n = static_cast<int>(n);
    p.latent = latent;
    p.arrived = exec.device->counters() + Device::kCounters - 1;
    const auto blocks = static_cast<unsigned>(
        std::min<int64_t>(exec.device->info().multiprocessors, ceil_div(outputs, int64_t{kWarps})));
    gpu::launch_together(*exec.device, "mapping_network", mapping_kernel, dim3(blocks), dim3(kThreads),
                         static_cast<size_t>(n) * sizeof(float), p);
  }
  for (Workspace::Handle h : handles) exec.ws.give_back(h);
}

}  // namespace gpen::GPEN_GPU_NS
