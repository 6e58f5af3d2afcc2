// The functions of the table in gpu_kernels.h, each in the .cu file of its name. They take what the processor's
// function has checked; the contracts are those of the processor's headers.
#pragma once
#include "kernels/gpu_kernels.h"
#include "runtime/gpu/gpu.h"

namespace gpen::GPEN_GPU_NS {

void conv2d(Exec& exec, const Conv2dWeights& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);
void upconv2d(Exec& exec, const UpConv2dWeights& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);
void to_rgb(Exec& exec, const ToRgbWeights& w, const ConvInput& in, const TensorView& skip, TensorView rgb);
void linear(Exec& exec, std::span<const LinearJob> jobs, int64_t n, LinearForm form);
void pixel_norm(Exec& exec, float* x, int64_t n, int64_t count, int64_t stride);
void mapping_network(Exec& exec, const LinearWeights& final_linear, std::span<const LinearWeights> style,
                     const float* x, int64_t n, int64_t dim, float* latent);
void to_stem_pixels(Exec& exec, const TensorView& rgb, float* pixels);
void apply_rgb_stem(Exec& exec, const RgbStem& stem, TensorView y);
void fill_normal_noise(Exec& exec, uint64_t seed, uint64_t layer, TensorView t);
Status to_blocked(Exec& exec, const TensorView& x, TensorView y, int unshuffle);
Status to_planar(Exec& exec, const TensorView& x, TensorView y);
Status add_upsampled(Exec& exec, const TensorView& x, TensorView y);
Status max_pool(Exec& exec, const TensorView& x, int kernel, int stride, int pad, TensorView y);
Status depthwise_conv2d(Exec& exec, const DepthwiseWeights& weights, const TensorView& x, int stride, float slope,
                        TensorView y);

}  // namespace gpen::GPEN_GPU_NS
