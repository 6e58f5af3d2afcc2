// What the picture*.cu share: sampling, rounding, launching, and the functions that they put together in one table.
#pragma once
#include "kernels/picture.h"
#include "runtime/gpu/gpu.h"

namespace gpen::GPEN_GPU_NS {

// Sets a part of the table each.
void set_sampling_kernels(PictureKernels* table);     // picture.cu
void set_mask_kernels(PictureKernels* table);         // picture_mask.cu
void set_paste_kernels(PictureKernels* table);        // picture_paste.cu
void set_task_kernels(PictureKernels* table);         // picture_tasks.cu
void set_tile_kernels(PictureKernels* table);         // picture_tiles.cu
void set_consistency_kernels(PictureKernels* table);  // consistency.cu
void set_degradation_kernels(PictureKernels* table);  // degradation.cu

inline constexpr dim3 kPictureBlock(32, 8);

// A thread for each pixel, in blocks of kPictureBlock.
inline dim3 picture_grid(int width, int height) {
  return dim3(static_cast<unsigned>((width + 31) / 32), static_cast<unsigned>((height + 7) / 8));
}

struct PixelIndex {
  int x, y;
};
__device__ __forceinline__ PixelIndex pixel_of_thread() {
  return {static_cast<int>(blockIdx.x * 32 + threadIdx.x), static_cast<int>(blockIdx.y * 8 + threadIdx.y)};
}

// Blocks of 256 threads for `count` elements, each thread striding by the grid.
inline dim3 strided_grid(const Device& device, int64_t count) {
  const int64_t enough = int64_t{32} * device.info().multiprocessors, needed = (count + 255) / 256;
  return dim3(static_cast<unsigned>(needed < enough ? needed : enough));
}
__device__ __forceinline__ int64_t strided_first() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t strided_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

template <class T>
__device__ __forceinline__ int64_t pixel_offset(const DevicePixels<T>& p, int x, int y) {
  return static_cast<int64_t>(y) * p.width + x;
}

// Nearest level, ties to even, clamped; NaN gives 0.
__device__ __forceinline__ uint8_t to_level(float v) {
  // Adding 1.5 * 2^23 leaves no bit for the fraction: the sum's own rounding is the one wanted.
  constexpr float kNoFraction = 12582912.0f;
  return static_cast<uint8_t>(__float_as_uint((v > 0 ? (v > 255 ? 255.0f : v) : 0.0f) + kNoFraction));
}

template <class T>
__device__ __forceinline__ T stored(float v) {
  if constexpr (std::is_same_v<T, uint8_t>)
    return to_level(v);
  else
    return v;
}

__device__ __forceinline__ double luma(const uint8_t* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }
__device__ __forceinline__ bool is_hole(const uint8_t* rgb) { return rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255; }

// Where a bilinear sample lies: its upper left pixel, which may be one outside, and the weights of the four.
struct BilinearAt {
  bool inside;  // false: no pixel takes part
  int x, y;
  float w00, w01, w10, w11;
};
__device__ __forceinline__ BilinearAt locate(const DeviceAffine& a, int px, int py, int width, int height) {
  const double x = a.m[0][0] * px + a.m[0][1] * py + a.m[0][2], y = a.m[1][0] * px + a.m[1][1] * py + a.m[1][2];
  BilinearAt at{};
  at.inside = x > -1 && y > -1 && x < width && y < height;  // false for NaN, too
  if (!at.inside) return at;
  at.x = static_cast<int>(x + 1) - 1;  // floor: x > -1
  at.y = static_cast<int>(y + 1) - 1;
  const float fx = static_cast<float>(x - at.x), fy = static_cast<float>(y - at.y);
  at.w00 = (1 - fx) * (1 - fy), at.w01 = fx * (1 - fy), at.w10 = (1 - fx) * fy, at.w11 = fx * fy;
  return at;
}

// The sum of weight * value(x, y) over the four pixels of a sample, upper ones first, zeros around the picture.
template <class Value>
__device__ __forceinline__ float sample(const BilinearAt& at, int width, int height, Value value) {
  float sum = 0;
  const bool left = at.x >= 0, right = at.x + 1 < width;
  if (at.y >= 0) {
    if (left) sum += at.w00 * value(at.x, at.y);
    if (right) sum += at.w01 * value(at.x + 1, at.y);
  }
  if (at.y + 1 < height) {
    if (left) sum += at.w10 * value(at.x, at.y + 1);
    if (right) sum += at.w11 * value(at.x + 1, at.y + 1);
  }
  return sum;
}
template <class T>
__device__ __forceinline__ float sample_channel(const BilinearAt& at, const DevicePixels<const T>& p, int channels,
                                                int c) {
  return sample(at, p.width, p.height,
                [&](int x, int y) { return static_cast<float>(p.data[pixel_offset(p, x, y) * channels + c]); });
}

}  // namespace gpen::GPEN_GPU_NS
