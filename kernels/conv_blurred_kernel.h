// The stride-2 3x3 convolution of a blurred picture (the encoder's) without the blurred picture in memory.
//
// A tile's rows are a block of 8 x 16 output pixels. For each 64 bytes of channels a block copies the patch of the
// picture that these need to shared memory, blurs it there once, along x and then along y as conv_blur.cu does and
// rounded as it stores, and multiplies all nine taps from the blurred patch. Meanwhile the next patch and the weights
// of the next steps arrive. The sums are added chunk by chunk instead of tap by tap, and in fp32 are others in their
// last bits for that reason alone.
//
// The even columns of a blurred row lie before the odd ones, so that the pixels of a tap are neighbours; the 16-byte
// piece c of pixel or weight row q lies at c ^ (q / 2 % 4): eight neighbours at one piece fall into different banks.
#pragma once
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

constexpr int kPatchPieces = BlurPatch::kPixelBytes / 16;
constexpr int kEvenColumns = BlurPatch::kColumns + 1;

__device__ __forceinline__ int patch_offset(int pixel, int piece) {
  return pixel * BlurPatch::kPixelBytes + ((piece ^ (pixel / 2 % kPatchPieces)) << 4);
}
__device__ __forceinline__ int blurred_pixel(int row, int column) {
  return row * BlurPatch::kBlurredColumns + column % 2 * kEvenColumns + column / 2;
}

struct PatchTiles {
  static constexpr int kStepPieces = kPatchPieces;
  const unsigned char* a;  // the blurred patch
  int first;               // pixel of the tap for the tile's first row
  const unsigned char* b;
  __device__ __forceinline__ const unsigned char* a_at(int row, int piece) const {
    const int pixel = first + row / BlurPatch::kColumns * (2 * BlurPatch::kBlurredColumns) + row % BlurPatch::kColumns;
    return a + patch_offset(pixel, piece);
  }
  __device__ __forceinline__ const unsigned char* b_at(int row, int piece) const {
    return b + patch_offset(row, piece);
  }
};

// One item: a piece of two neighbouring columns, so many rows of them.
template <class T>
__device__ __forceinline__ void blur_run(const unsigned char* raw, unsigned char* blurred, int first_row, int pair,
                                         int piece, float factor) {
  constexpr int kWidth = kVectorWidth<T>, kRun = 6;
  const auto weight = [](int tap) { return tap == 0 || tap == 3 ? 1.f : 3.f; };
  const bool second = 2 * pair + 1 < BlurPatch::kBlurredColumns;
  float sums[4][2][kWidth];  // of the rows begun and not finished: row % 4
#pragma unroll
  for (int r = 0; r < kRun + 3; ++r) {
    if (first_row + r < BlurPatch::kRawRows) {
      const unsigned char* const line =
          raw + ((first_row + r) * BlurPatch::kRawColumns + 2 * pair) * BlurPatch::kPixelBytes + piece * 16;
      float along[2][kWidth] = {};
#pragma unroll
      for (int i = 0; i < 5; ++i) {
        float v[kWidth];
        // The fifth is the second column's, which the last pair does not have.
        load_vector<T>(v, reinterpret_cast<const T*>(line + (i < 4 || second ? i : 3) * BlurPatch::kPixelBytes));
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          if (i < 4) along[0][k] = fmaf(weight(i), v[k], along[0][k]);
          if (i > 0) along[1][k] = fmaf(weight(i - 1), v[k], along[1][k]);
        }
      }
#pragma unroll
      for (int tap = 0; tap < 4; ++tap) {
        const int row = r - tap;
        if (row < 0 || row >= kRun) continue;
#pragma unroll
        for (int c = 0; c < 2; ++c)
#pragma unroll
          for (int k = 0; k < kWidth; ++k)
            sums[row % 4][c][k] = fmaf(weight(tap), along[c][k], tap == 0 ? 0.f : sums[row % 4][c][k]);
      }
      if (r >= 3) {
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          float v[kWidth];
#pragma unroll
          for (int k = 0; k < kWidth; ++k) v[k] = sums[(r - 3) % 4][c][k] * factor;
          if (c == 0 || second)
            store_vector<T>(
                reinterpret_cast<T*>(blurred + patch_offset(blurred_pixel(first_row + r - 3, 2 * pair + c), piece)), v);
        }
      }
    }
  }
}

template <class T, int kThreads>
__device__ __forceinline__ void blur_patch(const unsigned char* raw, unsigned char* blurred, int thread) {
  constexpr int kRun = 6, kRuns = (BlurPatch::kBlurredRows + kRun - 1) / kRun, kPerRun = kEvenColumns * kPatchPieces;
  for (int item = thread; item < kRuns * kPerRun; item += kThreads)
    blur_run<T>(raw, blurred, item / kPerRun * kRun, item % kPerRun / kPatchPieces, item % kPatchPieces, 1.f / 64);
}

// Where a block's tile is in the output.
struct BlurredTile {
  int image, first_y, first_x, first_channel;
};

template <class T, int kColumns, int kPitch, int kThreads>
__device__ __forceinline__ void finish_blurred_tile(const ConvGemm& p, const BlurredTile& at, const float* tile,
                                                    float power, int thread) {
  constexpr int kWidth = kVectorWidth<T>, kAcross = kColumns / kWidth;
  static_assert(kThreads % kAcross == 0);
  const int column = thread % kAcross * kWidth, channel = at.first_channel + column;
  if (channel >= p.out_channels) return;
  float factor[kWidth], bias[kWidth];
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    factor[k] = power * __ldg(p.weight_scale + channel + k);
    if (p.out_scale != nullptr)
      factor[k] *= __ldg(p.out_scale + static_cast<size_t>(at.image) * p.out_channels + channel + k);
    bias[k] = p.bias == nullptr ? 0.f : __ldg(p.bias + channel + k);
  }
  T* const y = static_cast<T*>(p.y.data) + at.image * p.y.batch_stride + channel;
  for (int row = thread / kAcross; row < BlurPatch::kRows * BlurPatch::kColumns; row += kThreads / kAcross) {
    const int i = at.first_y + row / BlurPatch::kColumns, j = at.first_x + row % BlurPatch::kColumns;
    if (i >= p.phase[0].out_h || j >= p.phase[0].out_w) continue;
    float v[kWidth];
    load_floats(v, tile + row * kPitch + column);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v[k] = ConvPoint{factor[k], bias[k], p.slope, p.gain}(v[k]);
    store_vector<T>(y + (static_cast<size_t>(i) * p.y_width + j) * p.y.pixel_stride, v);
  }
}

// p: of the picture before the blur; its taps are those of a 3x3 kernel, line by line.
template <class Math, int kColumns>
__global__ void __launch_bounds__(kColumns * 2) conv_blurred_kernel(const __grid_constant__ ConvGemm p) {
  using T = typename Math::Element;
  constexpr int kThreads = kColumns * 2, kRows = BlurPatch::kRows * BlurPatch::kColumns, kTaps = 9;
  constexpr int kPieceChannels = kVectorWidth<T>, kPixels = BlurPatch::kRawRows * BlurPatch::kRawColumns;
  constexpr int kStageBytes = kColumns * BlurPatch::kPixelBytes, kPitch = kColumns + 4;
  static_assert(kRows * kPitch * 4 <= BlurPatch::kRawBytes + BlurPatch::kBlurredBytes, "sums take the patches' place");

  unsigned char* const raw = gpu::dynamic_shared<unsigned char>();
  unsigned char* const blurred = raw + BlurPatch::kRawBytes;
  unsigned char* const stages = blurred + BlurPatch::kBlurredBytes;
  float* const scale = reinterpret_cast<float*>(stages + BlurPatch::kStages * kStageBytes);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int across = (p.phase[0].out_w + BlurPatch::kColumns - 1) / BlurPatch::kColumns;
  const BlurredTile at{static_cast<int>(blockIdx.z), static_cast<int>(blockIdx.x) / across * BlurPatch::kRows,
                       static_cast<int>(blockIdx.x) % across * BlurPatch::kColumns,
                       static_cast<int>(blockIdx.y) * kColumns};

  constexpr int kChunkChannels = kPatchPieces * kPieceChannels;
  const bool scaled = p.in_scale != nullptr;
  const float power =
      scaled ? load_coefficients<kThreads>(p, at.image, kRowBytes / 16 * kPieceChannels, scale, scale, thread) : 1.f;

  // This thread always copies the same piece of a pixel or weight row.
  const int piece = thread % kPatchPieces, first = thread / kPatchPieces;
  constexpr int kAtOnce = kThreads / kPatchPieces, kPixelsEach = (kPixels + kAtOnce - 1) / kAtOnce;
  const T* const picture = static_cast<const T*>(p.x.data) + at.image * p.x.batch_stride;
  const int top = 2 * at.first_y - 2, left = 2 * at.first_x - 2;
  const auto load_pixels = [&](int chunk, int begin, int end) {  // of the thread's own
    const int channel = (chunk * kPatchPieces + piece) * kPieceChannels;
    for (int n = begin; n < end; ++n) {
      const int pixel = first + kAtOnce * n;
      if (pixel >= kPixels) break;
      const int y = top + pixel / BlurPatch::kRawColumns, x = left + pixel % BlurPatch::kRawColumns;
      const bool valid = y >= 0 && y < p.logical_h && x >= 0 && x < p.logical_w && channel < p.x.channels;
      const size_t from = valid ? (static_cast<size_t>(y) * p.in_w + x) * p.x.pixel_stride + channel : 0;
      gpu::cp_async_16(raw + pixel * BlurPatch::kPixelBytes + piece * 16, picture + from, valid);
    }
  };
  constexpr int kHalves = kRowBytes / BlurPatch::kPixelBytes;  // of a packed row of weights
  const auto load_weights = [&](int stage, int chunk, int tap) {
    const size_t row = static_cast<size_t>(tap * p.x.chunks + chunk / kHalves) * p.out_padded + at.first_channel;
    const auto* const from = static_cast<const unsigned char*>(p.weights) + chunk % kHalves * BlurPatch::kPixelBytes;
#pragma unroll
    for (int column = first; column < kColumns; column += kAtOnce) {
      const bool valid = at.first_channel + column < p.out_padded;
      gpu::cp_async_16(stages + stage * kStageBytes + patch_offset(column, piece),
                       from + (valid ? (row + column) * kRowBytes + piece * 16 : 0), valid);
    }
  };

  const int chunks = (p.x.channels + kChunkChannels - 1) / kChunkChannels;
  load_pixels(0, 0, kPixelsEach);
  load_weights(0, 0, 0);
  gpu::cp_async_commit();
  load_weights(1, 0, 1);
  gpu::cp_async_commit();

  Math math;
  const int warp_row = warp % 2 * (kRows / 2), warp_column = warp / 2 * 32;
  // The pixels of the next chunk are copied beside the first taps, to be there with the next chunk's first weights.
  constexpr int kTapsWithPixels = 6, kPixelsATap = (kPixelsEach + kTapsWithPixels - 1) / kTapsWithPixels;
  int stage = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) {
#pragma unroll 1
    for (int tap = 0; tap < kTaps; ++tap) {
      gpu::cp_async_wait<1>();  // this thread's pieces of the step have arrived,
      __syncthreads();          // everyone's have, and everyone is done with the step before
      if (tap == 0) {
        blur_patch<T, kThreads>(raw, blurred, thread);
        __syncthreads();
      }
      const int ahead = stage == 0 ? BlurPatch::kStages - 1 : stage - 1;
      const int next_chunk = tap + 2 < kTaps ? chunk : chunk + 1;
      if (next_chunk < chunks) load_weights(ahead, next_chunk, tap + 2 < kTaps ? tap + 2 : tap + 2 - kTaps);
      if (chunk + 1 < chunks && tap < kTapsWithPixels)
        load_pixels(chunk + 1, tap * kPixelsATap, min((tap + 1) * kPixelsATap, kPixelsEach));
      gpu::cp_async_commit();
      const PatchTiles tiles{blurred, blurred_pixel(tap / 3, tap % 3), stages + stage * kStageBytes};
      const Prologue prologue{scaled ? scale + chunk * kChunkChannels : nullptr, nullptr, 1.f, nullptr};
      math.step(tiles, warp_row, warp_column, lane, prologue);
      stage = stage + 1 == BlurPatch::kStages ? 0 : stage + 1;
    }
  }
  gpu::cp_async_wait<0>();
  __syncthreads();

  float* const tile = reinterpret_cast<float*>(raw);
  math.store(tile, kPitch, warp_row, warp_column, lane);
  __syncthreads();
  finish_blurred_tile<T, kColumns, kPitch, kThreads>(p, at, tile, power, thread);
}

}  // namespace gpen::GPEN_GPU_NS
