// The kernel of conv_gemm.h; conv_gemm_*.cu instantiate it, one file a precision.
//
// A block of warps computes a tile of output pixels x output channels. Pieces of 16 bytes of pixels and weights come to
// shared memory by cp.async, kStages - 1 steps ahead; a pixel outside of the picture is zero-filled. The sums go
// through shared memory once more at the end, so that the epilogue reads and writes whole 16-byte pieces.
#pragma once
#include "kernels/conv_gemm.h"
#include "kernels/conv_gemm_rgb.h"
#include "kernels/conv_math.h"
#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

constexpr int kOutside = -(1 << 20);  // a row coordinate that no tap brings into the picture

// Rows of the tile that this thread copies: every (threads / 8)-th, always the same piece.
template <int kCount>
struct ConvRows {
  int y[kCount], x[kCount];
};

struct ConvStep {  // of the inner dimension: a tap and a chunk of its channels
  int tap, chunk;
  __device__ __forceinline__ void advance(int chunks) {
    if (++chunk < chunks) return;
    chunk = 0;
    ++tap;
  }
};

__device__ __forceinline__ int mirrored(int i, int size) {
  if (i < 0) i = -i;
  return i < size ? i : 2 * size - 2 - i;
}

// The factors of the input channels, divided by a power of two (returned) that makes them at most 1, so that half
// precision cannot overflow, and the feature's bias; both rounded up to whole chunks with zeros. The sqrt2 of the
// feature's activation is in its factors.
template <int kThreads>
__device__ __forceinline__ float load_coefficients(const ConvGemm& p, int image, int chunk_channels, float* scale,
                                                   float* bias, int thread) {
  __shared__ gpu::shared_array<float, kThreads> largest;
  const int x_padded = p.x.chunks * chunk_channels, total = x_padded + p.feature.chunks * chunk_channels;
  const float* const in_scale =
      p.in_scale == nullptr ? nullptr : p.in_scale + static_cast<size_t>(image) * (p.x.channels + p.feature.channels);
  const auto factor = [&](int c) {
    const bool feature = c >= x_padded;
    const int channel = feature ? c - x_padded : c;
    if (channel >= (feature ? p.feature.channels : p.x.channels)) return 0.f;
    const float s = in_scale == nullptr ? 1.f : in_scale[(feature ? p.x.channels : 0) + channel];
    return feature ? s * 1.41421356237309515f : s;
  };
  float most = 0;
  for (int c = thread; c < total; c += kThreads) most = fmaxf(most, fabsf(factor(c)));
  largest[thread] = most;
  __syncthreads();
  for (int step = kThreads / 2; step > 0; step /= 2) {
    if (thread < step) largest[thread] = fmaxf(largest[thread], largest[thread + step]);
    __syncthreads();
  }
  // The power of two above the largest: the exponent's bits and one more. Nothing is divided when all are zero.
  const unsigned exponent = (__float_as_uint(largest[0]) >> 23) + 1;
  const float power = exponent > 1 && exponent < 254 ? __uint_as_float(exponent << 23) : 1.f;
  for (int c = thread; c < total; c += kThreads) scale[c] = factor(c) / power;
  for (int c = thread; c < p.feature.chunks * chunk_channels; c += kThreads)
    bias[c] = c < p.feature.channels ? p.feature_bias[c] : 0.f;
  return power;
}

// Epilogue of a whole tile that lies in shared memory.
template <class T, int kRows, int kColumns, int kPitch, int kThreads>
__device__ __forceinline__ void finish_tile(const ConvGemm& p, const ConvGemmPhase& phase, const float* tile, int image,
                                            int first_pixel, int first_channel, float power, int thread) {
  constexpr int kValues = kVectorWidth<T>, kAcross = kColumns / kValues;
  for (int piece = thread; piece < kRows * kAcross; piece += kThreads) {
    const int row = piece / kAcross, column = piece % kAcross * kValues;
    const int pixel = first_pixel + row, channel = first_channel + column;
    if (pixel >= phase.out_h * phase.out_w || channel >= p.out_channels) continue;
    const int i = pixel / phase.out_w, j = pixel % phase.out_w;
    const size_t place =
        static_cast<size_t>(i * p.out_step + phase.y_offset) * p.y_width + (j * p.out_step + phase.x_offset);
    float v[kValues];
#pragma unroll
    for (int k = 0; k < kValues; ++k) {
      const int o = channel + k;
      float factor = power * __ldg(p.weight_scale + o);
      if (p.out_scale != nullptr) factor *= __ldg(p.out_scale + static_cast<size_t>(image) * p.out_channels + o);
      const ConvPoint point{factor, p.bias == nullptr ? 0.f : __ldg(p.bias + o), p.slope, p.gain};
      v[k] = point(tile[row * kPitch + column + k]);
    }
    const auto at = [&](const ConvGemmTensor& t) { return image * t.batch_stride + place * t.pixel_stride + channel; };
    if (p.residual.data != nullptr) {
      float r[kValues];
      load_vector<T>(r, static_cast<const T*>(p.residual.data) + at(p.residual));
#pragma unroll
      for (int k = 0; k < kValues; ++k) {
        v[k] += r[k];
        v[k] = v[k] > 0 ? v[k] : p.residual_slope * v[k];
      }
    }
    if (p.residual2.data != nullptr) {
      float r[kValues];
      load_vector<T>(r, static_cast<const T*>(p.residual2.data) + at(p.residual2));
#pragma unroll
      for (int k = 0; k < kValues; ++k) v[k] = fmaf(v[k], p.gain2, r[k]);
    }
    store_vector<T>(static_cast<T*>(p.y.data) + at(p.y), v);
  }
}

// Writes this block's part of a split tile; true for the last block to do so, which then holds the sum of all parts, in
// their order, in its tile.
template <int kRows, int kColumns, int kPitch, int kThreads>
__device__ __forceinline__ bool add_parts(const ConvGemm& p, float* tile, size_t tile_index, int split, int thread) {
  __shared__ gpu::shared_array<unsigned, 1> arrived;
  constexpr int kValues = kRows * kColumns;
  float* const parts = p.partial + tile_index * p.splits * kValues;
  for (int v = thread * 4; v < kValues; v += kThreads * 4)
    *reinterpret_cast<float4*>(parts + static_cast<size_t>(split) * kValues + v) =
        *reinterpret_cast<const float4*>(tile + v / kColumns * kPitch + v % kColumns);
  __threadfence();
  __syncthreads();
  if (thread == 0) arrived[0] = atomicAdd(p.counters + tile_index, 1u);
  __syncthreads();
  if (arrived[0] + 1 != static_cast<unsigned>(p.splits)) return false;
  __threadfence();
  for (int v = thread * 4; v < kValues; v += kThreads * 4) {
    float4 sum = make_float4(0, 0, 0, 0);
    for (int s = 0; s < p.splits; ++s) {
      const float4 part = *reinterpret_cast<const float4*>(parts + static_cast<size_t>(s) * kValues + v);
      sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
    }
    *reinterpret_cast<float4*>(tile + v / kColumns * kPitch + v % kColumns) = sum;
  }
  if (thread == 0) p.counters[tile_index] = 0;  // as it was found
  __syncthreads();
  return true;
}

template <class Math, int kRows, int kColumns, int kWarpRows, int kWarpColumns, int kStages, bool kRgb = false>
__global__ void __launch_bounds__((kRows / kWarpRows) * (kColumns / kWarpColumns) * 32)
    conv_gemm_kernel(const __grid_constant__ ConvGemm p) {
  using T = typename Math::Element;
  constexpr int kThreads = (kRows / kWarpRows) * (kColumns / kWarpColumns) * 32;
  constexpr int kChunkChannels = kRowBytes / static_cast<int>(sizeof(T)), kPieceChannels = kChunkChannels / kPieces;
  constexpr int kRowsAtOnce = kThreads / kPieces, kRowsEach = kRows / kRowsAtOnce,
                kColumnsEach = kColumns / kRowsAtOnce;
  constexpr int kStageBytes = (kRows + kColumns) * kRowBytes, kPitch = kColumns + 4;
  static_assert(kRows * kPitch * 4 <= kStages * kStageBytes, "the tile of sums takes the stages' place");

  unsigned char* const stages = gpu::dynamic_shared<unsigned char>();
  unsigned char* const inside = stages + kStages * kStageBytes;  // [stage][row]
  float* const scale = reinterpret_cast<float*>(inside + kStages * kRows);
  float* const bias = scale + (p.x.chunks + p.feature.chunks) * kChunkChannels;

  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int image = static_cast<int>(blockIdx.z) / p.splits, split = static_cast<int>(blockIdx.z) % p.splits;
  int phase_index = 0;
  while (phase_index + 1 < p.phases && static_cast<int>(blockIdx.x) >= p.phase[phase_index + 1].first_tile)
    ++phase_index;
  const ConvGemmPhase& phase = p.phase[phase_index];
  const int first_pixel = (static_cast<int>(blockIdx.x) - phase.first_tile) * kRows;
  const int first_channel = static_cast<int>(blockIdx.y) * kColumns;

  const bool scaled = p.in_scale != nullptr || p.feature.chunks > 0;
  const float power = scaled ? load_coefficients<kThreads>(p, image, kChunkChannels, scale, bias, thread) : 1.f;

  // What this thread copies.
  const int piece = thread % kPieces, first_row = thread / kPieces;
  ConvRows<kRowsEach> rows;
#pragma unroll
  for (int i = 0; i < kRowsEach; ++i) {
    const int pixel = first_pixel + first_row + kRowsAtOnce * i;
    const bool real = pixel < phase.out_h * phase.out_w;
    rows.y[i] = real ? pixel / phase.out_w * p.stride - p.pad : kOutside;
    rows.x[i] = pixel % phase.out_w * p.stride - p.pad;
  }
  const int chunks = p.x.chunks + p.feature.chunks;
  const auto load = [&](int stage, const ConvStep& step) {
    unsigned char* const a_tile = stages + stage * kStageBytes;
    unsigned char* const b_tile = a_tile + kRows * kRowBytes;
    const ConvGemmTap tap = p.tap[phase.first_tap + step.tap];
    const bool feature = step.chunk >= p.x.chunks;
    const ConvGemmPart& part = feature ? p.feature : p.x;
    const int channel = (feature ? step.chunk - p.x.chunks : step.chunk) * kChunkChannels + piece * kPieceChannels;
    const T* const source = static_cast<const T*>(part.data) + image * part.batch_stride;
#pragma unroll
    for (int i = 0; i < kRowsEach; ++i) {
      const int row = first_row + kRowsAtOnce * i;
      int y = rows.y[i] + tap.dy, x = rows.x[i] + tap.dx;
      if (p.reflect && rows.y[i] != kOutside) {
        y = mirrored(y, p.logical_h);
        x = mirrored(x, p.logical_w);
      }
      const bool in_picture = y >= 0 && y < p.logical_h && x >= 0 && x < p.logical_w;
      const bool valid = in_picture && channel < part.channels;
      const size_t at =
          valid ? (static_cast<size_t>(y >> p.shift) * p.in_w + (x >> p.shift)) * part.pixel_stride + channel : 0;
      gpu::cp_async_16(a_tile + piece_offset(row, piece), source + at, valid);
      if (piece == 0) inside[stage * kRows + row] = in_picture;
    }
    const size_t weight_row = static_cast<size_t>(tap.weights * chunks + step.chunk) * p.out_padded + first_channel;
    const auto* const weights = static_cast<const unsigned char*>(p.weights);
#pragma unroll
    for (int i = 0; i < kColumnsEach; ++i) {
      const int column = first_row + kRowsAtOnce * i;
      const bool valid = first_channel + column < p.out_padded;
      gpu::cp_async_16(b_tile + piece_offset(column, piece),
                       weights + (valid ? (weight_row + column) * kRowBytes + piece * 16 : 0), valid);
    }
  };

  const int all_steps = phase.taps * chunks;
  const int begin = static_cast<int>(static_cast<int64_t>(all_steps) * split / p.splits);
  const int end = static_cast<int>(static_cast<int64_t>(all_steps) * (split + 1) / p.splits);
  ConvStep next{begin / chunks, begin % chunks}, now = next;
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) {
    if (begin + i < end) {
      load(i, next);
      next.advance(chunks);
    }
    gpu::cp_async_commit();
  }

  Math math;
  const int warp_row = warp % (kRows / kWarpRows) * kWarpRows, warp_column = warp / (kRows / kWarpRows) * kWarpColumns;
  for (int step = begin, stage = 0; step < end; ++step) {
    gpu::cp_async_wait<kStages - 2>();  // this thread's pieces of the step have arrived,
    __syncthreads();                    // everyone's have, and everyone is done with the step before
    const int ahead = stage == 0 ? kStages - 1 : stage - 1;
    if (step + kStages - 1 < end) {
      load(ahead, next);
      next.advance(chunks);
    }
    gpu::cp_async_commit();
    const bool feature = now.chunk >= p.x.chunks;
    const Prologue prologue{scaled ? scale + now.chunk * kChunkChannels : nullptr,
                            feature ? bias + (now.chunk - p.x.chunks) * kChunkChannels : nullptr, p.feature_gain,
                            inside + stage * kRows};
    const unsigned char* const a_tile = stages + stage * kStageBytes;
    math.step(StageTiles{a_tile, a_tile + kRows * kRowBytes}, warp_row, warp_column, lane, prologue);
    now.advance(chunks);
    stage = stage + 1 == kStages ? 0 : stage + 1;
  }
  gpu::cp_async_wait<0>();
  __syncthreads();

  float* const tile = reinterpret_cast<float*>(stages);
  math.store(tile, kPitch, warp_row, warp_column, lane);
  if constexpr (kRgb) {
    static_assert(kRows * kPitch * 4 + kRgbSharedBytes<kRows, kColumns> <= kStages * kStageBytes);
    float* const weights = tile + kRows * kPitch;
    load_rgb_weights<kThreads>(p, weights, image, thread);
    __syncthreads();
    finish_tile_with_rgb<T, kRows, kPitch, kThreads>(p, tile, weights, weights + 6 * kColumns, image, first_pixel,
                                                     power, thread);
    return;
  }
  __syncthreads();
  if (p.splits > 1) {
    const size_t tile_index = (static_cast<size_t>(image) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    if (!add_parts<kRows, kColumns, kPitch, kThreads>(p, tile, tile_index, split, thread)) return;
  }
  finish_tile<T, kRows, kColumns, kPitch, kThreads>(p, phase, tile, image, first_pixel, first_channel, power, thread);
}

template <class Math, int kRows, int kColumns, int kWarpRows>
void launch_tile(Device& device, const char* name, const ConvGemm& p, dim3 grid, size_t shared) {
  constexpr int kStages = shape_of(ConvTile::m64n64).stages, kWarpColumns = 32;
  static_assert(shape_of(ConvTile::m128n128).stages == kStages && shape_of(ConvTile::m128n64).stages == kStages);
  const dim3 threads((kRows / kWarpRows) * (kColumns / kWarpColumns) * 32);
  const auto run = [&](auto kernel) { gpu::launch(device, name, kernel, grid, threads, shared, p); };
  if (p.rgb.wanted)
    run(conv_gemm_kernel<Math, kRows, kColumns, kWarpRows, kWarpColumns, kStages, true>);
  else
    run(conv_gemm_kernel<Math, kRows, kColumns, kWarpRows, kWarpColumns, kStages>);
}

// Precision::Math<rows, columns of a warp>. A class of its own name for each precision: a template of an alias in an
// unnamed namespace would be one and the same function for the linker in all files that make one.
template <class Precision>
void launch_conv_gemm(Device& device, const char* name, const ConvGemm& p, ConvTile tile, int64_t row_tiles) {
  const ConvTileShape shape = shape_of(tile);
  const dim3 grid(static_cast<unsigned>(row_tiles), static_cast<unsigned>(ceil_div(p.out_channels, shape.columns)),
                  static_cast<unsigned>(p.images * p.splits));
  const int chunk = kRowBytes / static_cast<int>(sizeof(typename Precision::template Math<64, 32>::Element));
  const size_t shared =
      shape.shared_bytes(static_cast<size_t>((p.x.chunks + 2 * p.feature.chunks) * chunk) * sizeof(float));
  switch (tile) {
    case ConvTile::m128n128:
      return launch_tile<typename Precision::template Math<64, 32>, 128, 128, 64>(device, name, p, grid, shared);
    case ConvTile::m128n64:
      return launch_tile<typename Precision::template Math<64, 32>, 128, 64, 64>(device, name, p, grid, shared);
    case ConvTile::m64n64:
      return launch_tile<typename Precision::template Math<32, 32>, 64, 64, 32>(device, name, p, grid, shared);
  }
}

}  // namespace gpen::GPEN_GPU_NS
