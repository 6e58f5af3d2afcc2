// What the kernel of to_rgb and the convolution that has it in its epilogue (conv_gemm_rgb.h) compute alike: the same
// products in the same order, so that both give the same bits.
#pragma once
#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

// So many neighbouring lanes share a pixel, each takes every eighth vector of 16 bytes, and shuffles add up.
constexpr int kRgbLanes = 8;

// The weights of one image, modulated, to [3][channels]; the feature half's sqrt2 goes into its weights. weight:
// [blocks][3][16]; style: the image's.
template <int kThreads>
__device__ __forceinline__ void modulate_rgb(float* to, const float* weight, const float* style, int x_channels,
                                             int channels, int thread) {
  constexpr int kBlockWidth = static_cast<int>(kBlock);
  for (int i = thread; i < 3 * channels; i += kThreads) {
    const int c = i / channels, channel = i - c * channels;
    const float w = weight[(channel / kBlockWidth * 3 + c) * kBlockWidth + channel % kBlockWidth];
    to[i] = w * style[channel] * (channel >= x_channels ? 1.41421356237309515f : 1.f);
  }
}

// Three dot products of a vector of each pixel with the weights of `channels` channels each.
template <class T, int kPixels>
__device__ __forceinline__ void add_products(float (&sum)[3][kPixels], const float (&v)[kPixels][kVectorWidth<T>],
                                             const float* weights, int channels) {
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    float w[kVectorWidth<T>];
    load_floats(w, weights + c * channels);
#pragma unroll
    for (int p = 0; p < kPixels; ++p)
#pragma unroll
      for (int i = 0; i < kVectorWidth<T>; ++i) sum[c][p] = fmaf(w[i], v[p][i], sum[c][p]);
  }
}

// Of the lanes that share a pixel, in all of them.
template <int kPixels>
__device__ __forceinline__ void add_lanes(float (&sum)[3][kPixels]) {
#pragma unroll
  for (int c = 0; c < 3; ++c)
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
#pragma unroll
      for (int step = kRgbLanes / 2; step > 0; step /= 2) sum[c][j] += __shfl_xor_sync(0xffffffffu, sum[c][j], step);
}

// The feature's vectors as the activation has them.
template <class T, int kPixels>
__device__ __forceinline__ void activate_feature(float (&v)[kPixels][kVectorWidth<T>], const float* feature_bias,
                                                 float gain) {
  float bias[kVectorWidth<T>];
  load_floats(bias, feature_bias);
#pragma unroll
  for (int j = 0; j < kPixels; ++j)
#pragma unroll
    for (int i = 0; i < kVectorWidth<T>; ++i) v[j][i] = leaky_relu(fmaf(v[j][i], gain, bias[i]), 0.2f);
}

// up2(skip) of one plane at (x, y): the vertical blend first, then the horizontal one.
__device__ __forceinline__ float enlarged(const float* plane, int h, int w, int y, int x) {
  const int near_y = y / 2, far_y = y % 2 == 0 ? near_y - 1 : near_y + 1;
  const int near_x = x / 2, far_x = x % 2 == 0 ? near_x - 1 : near_x + 1;
  const bool far_row = far_y >= 0 && far_y < h;
  const auto column = [&](int i) {
    const float far = far_row ? 0.25f * plane[static_cast<int64_t>(far_y) * w + i] : 0.f;
    return fmaf(0.75f, plane[static_cast<int64_t>(near_y) * w + i], far);
  };
  const float far = far_x >= 0 && far_x < w ? 0.25f * column(far_x) : 0.f;
  return fmaf(0.75f, column(near_x), far);
}

}  // namespace gpen::GPEN_GPU_NS
