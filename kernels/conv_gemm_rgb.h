// The epilogue of a convolution whose tile holds all channels of its pixels, with to_rgb of the result: x is multiplied
// on its way to memory, and not read again. The sums are those of to_rgb.cu, in the same order and of the values as
// they are stored, so that both ways give the same bits.
#pragma once
#include "kernels/conv_gemm.h"
#include "kernels/conv_math.h"
#include "kernels/to_rgb_device.h"

namespace gpen::GPEN_GPU_NS {

// Behind the tile in shared memory: weights[3][channels of x and feature] and sums[3][rows].
template <int kRows, int kColumns>
inline constexpr size_t kRgbSharedBytes = (3 * (2 * kColumns) + 3 * kRows) * sizeof(float);

template <int kThreads>
__device__ __forceinline__ void load_rgb_weights(const ConvGemm& p, float* weights, int image, int thread) {
  const int channels = p.out_channels + p.rgb.feature.channels;
  modulate_rgb<kThreads>(weights, p.rgb.weight, p.rgb.style + static_cast<size_t>(image) * channels, p.out_channels,
                         channels, thread);
}

// v as it is read back from where it is stored.
template <class T>
__device__ __forceinline__ void round_vector(float (&v)[kVectorWidth<T>]) {
  if constexpr (sizeof(T) == 2) {
#pragma unroll
    for (int i = 0; i < kVectorWidth<T>; i += 2) {
      const float2 pair = gpu::unpack2<T>(gpu::pack2<T>(v[i], v[i + 1]));
      v[i] = pair.x, v[i + 1] = pair.y;
    }
  }
}

// weights: as load_rgb_weights left them; sums: room for [3][kRows]. Eight lanes share a row; several rows at a time
// use the weights they have read more than once.
template <class T, int kRows, int kPitch, int kThreads>
__device__ __forceinline__ void finish_tile_with_rgb(const ConvGemm& p, const float* tile, const float* weights,
                                                     float* sums, int image, int first_pixel, float power, int thread) {
  constexpr int kWidth = kVectorWidth<T>, kGroups = kThreads / kRgbLanes, kAtOnce = 4;
  static_assert(kRows % (kGroups * kAtOnce) == 0);
  const ConvGemmRgb& rgb = p.rgb;
  const int out_w = p.phase[0].out_w, plane = p.phase[0].out_h * out_w;
  const int channels = p.out_channels + rgb.feature.channels;
  const int group = thread / kRgbLanes, lane = thread % kRgbLanes;
  const T* const feature = static_cast<const T*>(rgb.feature.data) + image * rgb.feature.batch_stride;
  T* const y = static_cast<T*>(p.y.data) + image * p.y.batch_stride;
#pragma unroll 1
  for (int first_row = group; first_row < kRows; first_row += kGroups * kAtOnce) {
    float sum[3][kAtOnce] = {}, v[kAtOnce][kWidth];
    for (int channel = lane * kWidth; channel < p.out_channels; channel += kRgbLanes * kWidth) {
      float factor[kWidth], bias[kWidth];
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        factor[k] = power * __ldg(p.weight_scale + channel + k);
        if (p.out_scale != nullptr)
          factor[k] *= __ldg(p.out_scale + static_cast<size_t>(image) * p.out_channels + channel + k);
        bias[k] = p.bias == nullptr ? 0.f : __ldg(p.bias + channel + k);
      }
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const int row = first_row + kGroups * j, pixel = first_pixel + row;
        load_floats(v[j], tile + row * kPitch + channel);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) v[j][k] = ConvPoint{factor[k], bias[k], p.slope, p.gain}(v[j][k]);
        if (rgb.store_y && pixel < plane)
          store_vector<T>(y + static_cast<size_t>(pixel) * p.y.pixel_stride + channel, v[j]);
        round_vector<T>(v[j]);
      }
      add_products<T, kAtOnce>(sum, v, weights + channel, channels);
    }
    for (int channel = lane * kWidth; channel < rgb.feature.channels; channel += kRgbLanes * kWidth) {
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const int pixel = min(first_pixel + first_row + kGroups * j, plane - 1);  // beyond: a sum that is not used
        load_vector<T>(v[j], feature + static_cast<size_t>(pixel) * rgb.feature.pixel_stride + channel);
      }
      activate_feature<T, kAtOnce>(v, rgb.feature_bias + channel, rgb.feature_gain);
      add_products<T, kAtOnce>(sum, v, weights + p.out_channels + channel, channels);
    }
    add_lanes(sum);
    if (lane == 0) {
#pragma unroll
      for (int c = 0; c < 3; ++c)
#pragma unroll
        for (int j = 0; j < kAtOnce; ++j) sums[c * kRows + first_row + kGroups * j] = sum[c][j];
    }
  }
  __syncthreads();
  for (int i = thread; i < 3 * kRows; i += kThreads) {
    const int c = i / kRows, at = first_pixel + i % kRows;
    if (at >= plane) continue;
    float value = c == 0 ? rgb.bias[0] : c == 1 ? rgb.bias[1] : rgb.bias[2];
    if (rgb.skip != nullptr)
      value += enlarged(rgb.skip + image * rgb.skip_stride + c * (plane / 4), p.phase[0].out_h / 2, out_w / 2,
                        at / out_w, at % out_w);
    rgb.rgb[image * rgb.rgb_stride + static_cast<int64_t>(c) * plane + at] = value + sums[i];
  }
}

}  // namespace gpen::GPEN_GPU_NS
