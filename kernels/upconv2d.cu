// upconv2d on a device: the four parities of the transposed convolution's output as one launch of convolutions with 4,
// 2, 2 and 1 taps, demodulated, into a scratch picture of (2H+1) x (2W+1); then the blur with bias and activation.
#include "kernels/conv_gemm_device.h"
#include "kernels/conv_plans.h"
#include "kernels/gpu_functions.h"
#include "kernels/upconv2d_impl.h"

namespace gpen::GPEN_GPU_NS {

void upconv2d(Exec& exec, const UpConv2dWeights& weights, const ConvInput& in, const ConvEpilogue& ep, TensorView y) {
  const GpuConvWeights& w = weights.impl().gpu;
  if (in.stem.weight != nullptr)
    return exec.device->note_error(fail(Code::internal, "upconv2d: a device does not compute the stem on the way"));
  const int h = static_cast<int>(in.x.h), width = static_cast<int>(in.x.w);
  Workspace::Handle handle;
  const TensorView sums = exec.activation(in.x.n, w.out_channels, 2 * h + 1, 2 * width + 1, &handle);
  ConvGemm p = conv_problem(w, in, sums);
  p.logical_h = h;
  p.logical_w = width;
  p.out_scale = ep.out_scale;
  p.out_step = 2;
  p.phases = 4;
  // In one direction t[2i] = x[i] w[0] + x[i-1] w[2] for i = 0..H, t[2i+1] = x[i] w[1] for i < H.
  struct Line {
    int8_t offset, k;
  };
  constexpr Line kEven[] = {{0, 0}, {-1, 2}}, kOdd[] = {{0, 1}};
  int taps = 0;
  for (int phase = 0; phase < 4; ++phase) {
    const int row_odd = phase / 2, column_odd = phase % 2, first = taps;
    for (int r = 0; r < 2 - row_odd; ++r)
      for (int c = 0; c < 2 - column_odd; ++c) {
        const Line row = row_odd ? kOdd[r] : kEven[r], column = column_odd ? kOdd[c] : kEven[c];
        p.tap[taps++] = {row.offset, column.offset, static_cast<uint8_t>(row.k * 3 + column.k)};
      }
    p.phase[phase] = {h + 1 - row_odd, width + 1 - column_odd, row_odd, column_odd, first, taps - first, 0};
  }
  const ConvWork work = work_of(p, w.precision, 4 * w.chunks(), false);
  const ConvPlan plan = choose_plan(work, w.precision, *exec.device);
  const auto compute = [&](Exec& on, const ConvPlan& with) { run_conv_gemm(on, p, w.precision, with); };
  if (wants_trial(exec))
    exec.device->conv_plans()->trial({exec, work, w.precision, plan, y.n, {output_of(sums)}, compute});
  compute(exec, plan);
  blur_1331(exec, sums, 1, 1.f / 16, {w.bias.floats(), ep.slope, ep.gain}, y);
  exec.ws.give_back(handle);
}

}  // namespace gpen::GPEN_GPU_NS
