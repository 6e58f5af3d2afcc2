// One warp per output: its lanes go along the row of weights in steps of 4, which every vector x of the batch then
// meets. The order of the sum depends on the number of inputs alone, so an image gives the same bits alone and in a
// batch.
#include "kernels/gpu_elements.h"
#include "runtime/constants.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kWarps = 4;  // of a block; divides the 16 outputs that a job has a multiple of

struct LinearTask {
  const float* weights;  // [outputs][inputs]
  const float* bias;
  const float* x;
  float* y;
  int64_t x_stride, y_stride;
  int inputs;
  unsigned first_block;
  bool vectors;  // rows of weights and of x start at multiples of 16 bytes and have whole vectors
};

// The jobs of one launch, which lie in the kernel's parameters (at most 4 KiB).
struct LinearTasks {
  static constexpr int kMost = 32;
  LinearTask task[kMost];
  int count;
};
static_assert(sizeof(LinearTasks) <= 4000);

__device__ __forceinline__ float4 load4(const float* row, int k, int count, bool vectors) {
  if (vectors) return *reinterpret_cast<const float4*>(row + k);
  return make_float4(row[k], k + 1 < count ? row[k + 1] : 0.f, k + 2 < count ? row[k + 2] : 0.f,
                     k + 3 < count ? row[k + 3] : 0.f);
}

__device__ __forceinline__ float finished(float v, LinearForm form) {
  if (form == LinearForm::fused_lrelu) return leaky_relu(v, 0.2f) * kSqrt2;
  if (form == LinearForm::demodulation) return 1.f / sqrtf(v + 1e-8f);
  return v;
}

// kRows vectors x at a time; the weights come from memory for the first of them only, then from the cache.
template <int kRows>
__global__ void __launch_bounds__(32 * kWarps)
    linear_kernel(const __grid_constant__ LinearTasks tasks, int n, LinearForm form) {
  int index = 0;
  while (index + 1 < tasks.count && blockIdx.x >= tasks.task[index + 1].first_block) ++index;
  const LinearTask& task = tasks.task[index];
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t output = static_cast<int64_t>(blockIdx.x - task.first_block) * kWarps + threadIdx.x / 32;
  const float* const weights = task.weights + output * task.inputs;
  const bool squared = form == LinearForm::demodulation;
  for (int row = 0; row < n; row += kRows) {
    float sum[kRows] = {};
#pragma unroll 2
    for (int k = 4 * lane; k < task.inputs; k += 4 * 32) {
      const float4 w = load4(weights, k, task.inputs, task.vectors);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        if (row + i >= n) break;
        float4 x = load4(task.x + (row + i) * task.x_stride, k, task.inputs, task.vectors);
        if (squared) x = make_float4(x.x * x.x, x.y * x.y, x.z * x.z, x.w * x.w);
        sum[i] = fmaf(w.x, x.x, sum[i]);
        sum[i] = fmaf(w.y, x.y, sum[i]);
        sum[i] = fmaf(w.z, x.z, sum[i]);
        sum[i] = fmaf(w.w, x.w, sum[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) sum[i] = warp_sum(sum[i]);
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      if (lane == i && row + i < n)
        task.y[(row + i) * task.y_stride + output] = finished(sum[i] + task.bias[output], form);
  }
}

constexpr int kNormThreads = 128;

__global__ void __launch_bounds__(kNormThreads) pixel_norm_kernel(float* x, int count, int64_t stride) {
  __shared__ gpu::shared_array<float, kNormThreads / 32> warp_sums;
  float* const row = x + blockIdx.x * stride;
  float sum = 0;
  for (int k = static_cast<int>(threadIdx.x); k < count; k += kNormThreads) sum = fmaf(row[k], row[k], sum);
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = 0;
#pragma unroll
  for (int i = 0; i < kNormThreads / 32; ++i) sum += warp_sums[static_cast<size_t>(i)];
  const float scale = 1.f / sqrtf(sum / static_cast<float>(count) + 1e-8f);
  for (int k = static_cast<int>(threadIdx.x); k < count; k += kNormThreads) row[k] *= scale;
}

bool aligned(const float* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

}  // namespace

void linear(Exec& exec, std::span<const LinearJob> jobs, int64_t n, LinearForm form) {
  if (exec.dry()) return;
  for (size_t first = 0; first < jobs.size(); first += LinearTasks::kMost) {
    LinearTasks tasks{};
    unsigned blocks = 0;
    for (const LinearJob& job : jobs.subspan(first, std::min<size_t>(LinearTasks::kMost, jobs.size() - first))) {
      const int64_t inputs = job.weights->inputs();
      LinearTask& task = tasks.task[tasks.count++];
      task = {job.weights->data(), job.weights->bias(),      job.x,  job.y, job.x_stride,
              job.y_stride,        static_cast<int>(inputs), blocks, false};
      task.vectors = inputs % 4 == 0 && job.x_stride % 4 == 0 && aligned(job.x) && aligned(task.weights);
      blocks += static_cast<unsigned>(job.weights->outputs() / kWarps);
    }
    const auto kernel = n == 1 ? linear_kernel<1> : n <= 4 ? linear_kernel<4> : linear_kernel<8>;
    gpu::launch(*exec.device, "linear", kernel, blocks, 32 * kWarps, 0, tasks, static_cast<int>(n), form);
  }
}

void pixel_norm(Exec& exec, float* x, int64_t n, int64_t count, int64_t stride) {
  if (exec.dry()) return;
  gpu::launch(*exec.device, "pixel_norm", pixel_norm_kernel, static_cast<unsigned>(n), kNormThreads, 0, x,
              static_cast<int>(count), stride);
}

}  // namespace gpen::GPEN_GPU_NS
