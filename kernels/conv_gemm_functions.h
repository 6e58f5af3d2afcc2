// The entrances of the conv_gemm kernels, one a precision, and the blur that goes with resampling convolutions.
#pragma once
#include "kernels/conv_gemm.h"
#include "kernels/to_rgb.h"
#include "runtime/gpu/gpu.h"
#include "runtime/workspace.h"

namespace gpen::GPEN_GPU_NS {

using ConvGemmFn = void(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles);
ConvGemmFn conv_gemm_fp32, conv_gemm_tf32, conv_gemm_bf16, conv_gemm_fp16, conv_gemm_fp16_fast;

// The same for a plan with blur_in_load; x and the logical size are the picture's before the blur.
void conv_blurred(Device& device, const ConvGemm& problem, Precision precision, ConvTile tile);

// A convolution with what goes before and behind it, which its kernel may do as well: the plan decides.
struct ConvJob {
  // Without what the plan decides: first_tile, splits, partial, counters. Its x is the picture before a blur, its rgb
  // is wanted when to_rgb may be in the epilogue.
  ConvGemm problem;
  Precision precision = Precision::fp32;
  int64_t steps = 0;  // chunks times taps of the longest phase
  // Blurs x first, with so many zeros around it; 0: does not. may_load_blurred: a shape that conv_blurred() computes.
  int blur_pad = 0;
  bool may_load_blurred = false;
  TensorView x;                    // of a blur
  const RgbOutput* rgb = nullptr;  // to_rgb of y as well
  TensorView y;                    // of to_rgb
};
// Chooses a plan, takes the scratch that it needs from exec.ws, and launches the kernels.
void run_conv(Exec& exec, const ConvJob& job);

// y = lrelu(blur(x) + bias, slope) * gain with blur the convolution by [1,3,3,1] x [1,3,3,1] * factor and `pad` zeros
// on every side: y is n x c x (h + 2 pad - 3) x (w + 2 pad - 3). Both nhwc of one type; bias: [channels up to 16] or
// null.
struct BlurEpilogue {
  const float* bias = nullptr;
  float slope = 1, gain = 1;
};
void blur_1331(Exec& exec, const TensorView& x, int pad, float factor, const BlurEpilogue& epilogue, TensorView y);

}  // namespace gpen::GPEN_GPU_NS
