// Both directions through a tile of 64 pixels and 16 channels in shared memory, so that planar memory is accessed along
// pixels and nhwc memory in vectors of channels.
#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 256, kTile = 64, kChannels = static_cast<int>(kBlock);
constexpr int kPitch = kTile + 1;  // of the tile's rows, so that columns lie in different banks

struct Planar {
  float* data;
  int64_t batch_stride, plane;
  int w, channels;
};
Planar planar_of(const TensorView& v) {
  return {v.data, v.batch_stride, v.plane(), static_cast<int>(v.w), static_cast<int>(v.c)};
}

struct TilePlace {
  int n, y, x0, block;
};

// Blocks: channel blocks fastest, then tiles of a row, then rows.
template <class T>
__device__ __forceinline__ TilePlace tile_place(const Activation<T>& t) {
  const unsigned blocks = static_cast<unsigned>(t.vectors * kVectorWidth<T> / kChannels);
  const unsigned tiles = (static_cast<unsigned>(t.w) + kTile - 1) / kTile, h = static_cast<unsigned>(t.h);
  const unsigned tile = blockIdx.x / blocks, row = tile / tiles;
  return {static_cast<int>(row / h), static_cast<int>(row % h), static_cast<int>(tile % tiles) * kTile,
          static_cast<int>(blockIdx.x % blocks)};
}
dim3 tile_blocks(const TensorView& nhwc) {
  return dim3(static_cast<unsigned>(nhwc.n * nhwc.h * ceil_div(nhwc.w, kTile) * nhwc.blocks()));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    to_nhwc_kernel(const Planar x, const Activation<T> y, int unshuffle, int channels) {
  constexpr int kWidth = kVectorWidth<T>, kVectors = kChannels / kWidth;
  __shared__ gpu::shared_array<float, kChannels * kPitch> tile;
  const TilePlace at = tile_place(y);
  for (int i = static_cast<int>(threadIdx.x); i < kChannels * kTile; i += kThreads) {
    const int k = i / kTile, j = i % kTile, channel = at.block * kChannels + k;
    float v = 0;
    if (channel < channels && at.x0 + j < y.w) {
      const int dx = channel % unshuffle, dy = channel / unshuffle % unshuffle, c = channel / (unshuffle * unshuffle);
      v = x.data[at.n * x.batch_stride + c * x.plane + static_cast<int64_t>(at.y * unshuffle + dy) * x.w +
                 (at.x0 + j) * unshuffle + dx];
    }
    tile[static_cast<size_t>(k * kPitch + j)] = v;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * kTile; i += kThreads) {
    const int j = i / kVectors, vector = i % kVectors;
    if (at.x0 + j >= y.w) break;
    float v[kWidth];
#pragma unroll
    for (int e = 0; e < kWidth; ++e) v[e] = tile[static_cast<size_t>((vector * kWidth + e) * kPitch + j)];
    store_vector<T>(y.at(at.n, at.y, at.x0 + j, at.block * kVectors + vector), v);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) to_planar_kernel(const Activation<T> x, const Planar y) {
  constexpr int kWidth = kVectorWidth<T>, kVectors = kChannels / kWidth;
  __shared__ gpu::shared_array<float, kChannels * kPitch> tile;
  const TilePlace at = tile_place(x);
  const int channels = min(kChannels, y.channels - at.block * kChannels);
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * kTile; i += kThreads) {
    const int j = i / kVectors, vector = i % kVectors;
    if (at.x0 + j >= x.w || vector * kWidth >= channels) continue;
    float v[kWidth];
    load_vector<T>(v, x.at(at.n, at.y, at.x0 + j, at.block * kVectors + vector));
#pragma unroll
    for (int e = 0; e < kWidth; ++e) tile[static_cast<size_t>((vector * kWidth + e) * kPitch + j)] = v[e];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < channels * kTile; i += kThreads) {
    const int k = i / kTile, j = i % kTile;
    if (at.x0 + j < x.w)
      y.data[at.n * y.batch_stride + (at.block * kChannels + k) * y.plane + static_cast<int64_t>(at.y) * y.w + at.x0 +
             j] = tile[static_cast<size_t>(k * kPitch + j)];
  }
}

}  // namespace

Status to_blocked(Exec& exec, const TensorView& x, TensorView y, int unshuffle) {
  if (exec.dry()) return Status();
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    gpu::launch(*exec.device, "to_blocked", to_nhwc_kernel<T>, tile_blocks(y), kThreads, 0, planar_of(x),
                activation_of<T>(y), unshuffle, static_cast<int>(y.c));
  });
  return Status();
}

Status to_planar(Exec& exec, const TensorView& x, TensorView y) {
  if (exec.dry()) return Status();
  with_type(x.type, [&](auto zero) {
    using T = decltype(zero);
    gpu::launch(*exec.device, "to_planar", to_planar_kernel<T>, tile_blocks(x), kThreads, 0, activation_of<T>(x),
                planar_of(y));
  });
  return Status();
}

}  // namespace gpen::GPEN_GPU_NS
