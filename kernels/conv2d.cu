// conv2d on a device: the convolution as a matrix product (conv_gemm_kernel.h). The encoder's blurred convolutions blur
// into a scratch picture first, or while they load (conv_blurred_kernel.h).
#include "kernels/conv2d_impl.h"
#include "kernels/conv_gemm_device.h"
#include "kernels/gpu_functions.h"

namespace gpen::GPEN_GPU_NS {

namespace {

ConvGemmRgb rgb_problem(const RgbOutput& output) {
  const ToRgbWeights& w = *output.weights;
  ConvGemmRgb p;
  p.wanted = true;
  p.store_y = !output.only_rgb;
  if (w.feature_channels > 0) {
    p.feature = part_of(output.in.feature, 0);
    p.feature_bias = output.in.feature_bias;
    p.feature_gain = output.in.feature_gain;
  }
  p.weight = w.weight.data();
  p.style = output.in.in_scale;
  p.skip = output.skip.data;
  p.skip_stride = output.skip.batch_stride;
  p.rgb = output.rgb.data;
  p.rgb_stride = output.rgb.batch_stride;
  for (int c = 0; c < 3; ++c) p.bias[c] = w.bias[c];
  return p;
}

}  // namespace

void conv2d(Exec& exec, const Conv2dWeights& weights, const ConvInput& in, const ConvEpilogue& ep, TensorView y) {
  const GpuConvWeights& w = weights.impl().gpu;
  const ConvGeometry& g = weights.geometry();
  if (in.stem.weight != nullptr)
    return exec.device->note_error(fail(Code::internal, "conv2d: a device does not compute the stem on the way"));
  ConvJob job;
  ConvGemm& p = job.problem;
  p = conv_problem(w, in, g.upsample, y);
  p.stride = g.stride;
  p.pad = g.pad;
  p.reflect = g.pad_mode == PadMode::reflect;
  p.out_scale = ep.out_scale;
  p.bias = w.bias.floats();
  p.slope = ep.slope;
  p.gain = ep.gain;
  p.residual = tensor_of(ep.residual);
  p.residual_slope = ep.residual_slope;
  p.residual2 = tensor_of(ep.residual2);
  p.gain2 = ep.gain2;
  p.phase[0] = {static_cast<int>(y.h), static_cast<int>(y.w), 0, 0, 0, static_cast<int>(w.taps), 0};
  for (int ky = 0; ky < g.kernel_h; ++ky)
    for (int kx = 0; kx < g.kernel_w; ++kx)
      p.tap[ky * g.kernel_w + kx] = {static_cast<int8_t>(ky), static_cast<int8_t>(kx),
                                     static_cast<uint8_t>(ky * g.kernel_w + kx)};
  job.precision = w.precision;
  job.steps = w.taps * w.chunks();
  const bool plain = ep.residual.c == 0 && ep.residual2.c == 0;
  if (ep.rgb != nullptr && plain && g.blur_pad == 0) p.rgb = rgb_problem(*ep.rgb);
  job.blur_pad = g.blur_pad;
  job.may_load_blurred =
      plain && g.kernel_h == 3 && g.kernel_w == 3 && g.stride == 2 && g.pad == 0 && g.blur_pad == 2 && g.upsample == 1;
  job.x = in.x;
  job.rgb = ep.rgb;
  job.y = y;
  run_conv(exec, job);
}

}  // namespace gpen::GPEN_GPU_NS
