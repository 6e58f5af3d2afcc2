// What conv2d.cu and upconv2d.cu share: from tensors and packed weights to the problem of conv_gemm.h.
#pragma once
#include "kernels/conv2d.h"
#include "kernels/conv_gemm_functions.h"
#include "kernels/gpu_weights.h"

namespace gpen::GPEN_GPU_NS {

inline ConvGemmTensor tensor_of(const TensorView& t) {
  return {t.data, t.batch_stride, static_cast<int>(t.pixel_stride)};
}

inline ConvGemmPart part_of(const TensorView& t, int64_t chunks) {
  return {t.data, t.batch_stride, static_cast<int>(t.pixel_stride), static_cast<int>(t.blocks() * kBlock),
          static_cast<int>(chunks)};
}

// Input, weights and output; geometry, taps, phases and the epilogue are left to the caller.
inline ConvGemm conv_problem(const GpuConvWeights& w, const ConvInput& in, const TensorView& y) {
  ConvGemm p;
  p.x = part_of(in.x, w.x_chunks);
  if (w.feature_chunks > 0) {
    p.feature = part_of(in.feature, w.feature_chunks);
    p.feature_gain = in.feature_gain;
    p.feature_bias = in.feature_bias;
  }
  p.in_scale = in.in_scale;
  p.in_w = static_cast<int>(in.x.w);
  p.weights = w.weights.data();
  p.weight_scale = w.scale.floats();
  p.out_channels = static_cast<int>(ceil_div(w.out_channels, kBlock) * kBlock);
  p.out_padded = static_cast<int>(w.out_padded);
  p.y = tensor_of(y);
  p.y_width = static_cast<int>(y.w);
  p.images = static_cast<int>(y.n);
  return p;
}

// The problem without its first images; not for one with to_rgb, whose batch is never cut.
inline ConvGemm images_from(ConvGemm p, int64_t first, int64_t element_bytes) {
  const auto skip = [&](const void* data, int64_t stride) {
    return data == nullptr ? nullptr : static_cast<const char*>(data) + first * stride * element_bytes;
  };
  p.x.data = skip(p.x.data, p.x.batch_stride);
  p.feature.data = skip(p.feature.data, p.feature.batch_stride);
  for (ConvGemmTensor* t : {&p.y, &p.residual, &p.residual2})
    t->data = const_cast<char*>(skip(t->data, t->batch_stride));
  if (p.in_scale != nullptr) p.in_scale += first * (p.x.channels + p.feature.channels);
  if (p.out_scale != nullptr) p.out_scale += first * p.out_channels;
  return p;
}

}  // namespace gpen::GPEN_GPU_NS
