// The entrances of the conv_gemm kernels, one a precision, and the blur that goes with resampling convolutions.
#pragma once
#include "kernels/conv_gemm.h"
#include "runtime/gpu/gpu.h"
#include "runtime/workspace.h"

namespace gpen::GPEN_GPU_NS {

using ConvGemmFn = void(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles);
ConvGemmFn conv_gemm_fp32, conv_gemm_tf32, conv_gemm_bf16, conv_gemm_fp16, conv_gemm_fp16_fast;

// What the plan of a problem depends on; it reads of it the phases, channels and whether to_rgb is wanted. blurred: a
// 3x3 with stride 2 of the blurred input, which may be blurred while it is loaded.
ConvWork work_of(const ConvGemm& problem, Precision precision, int64_t steps, bool blurred);

// Takes the splits' scratch from exec.ws, and launches the kernel of the precision. Fills the fields of `problem` that
// the plan decides: first_tile, splits, partial, counters, and whether to_rgb is in the epilogue.
void run_conv_gemm(Exec& exec, ConvGemm problem, Precision precision, const ConvPlan& plan);

// The same for a plan with blur_in_load; x and the logical size are the picture's before the blur.
void conv_blurred(Device& device, const ConvGemm& problem, Precision precision, ConvTile tile);

// y = lrelu(blur(x) + bias, slope) * gain with blur the convolution by [1,3,3,1] x [1,3,3,1] * factor and `pad` zeros
// on every side: y is n x c x (h + 2 pad - 3) x (w + 2 pad - 3). Both nhwc of one type; bias: [channels up to 16] or
// null.
struct BlurEpilogue {
  const float* bias = nullptr;
  float slope = 1, gain = 1;
};
void blur_1331(Exec& exec, const TensorView& x, int pad, float factor, const BlurEpilogue& epilogue, TensorView y);

}  // namespace gpen::GPEN_GPU_NS
