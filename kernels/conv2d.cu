// conv2d on a device: the convolution as a matrix product (conv_gemm_kernel.h). The encoder's blurred convolutions blur
// into a scratch picture first, or while they load (conv_blurred_kernel.h).
#include <algorithm>

#include "kernels/conv2d_impl.h"
#include "kernels/conv_gemm_device.h"
#include "kernels/conv_plans.h"
#include "kernels/gpu_functions.h"
#include "kernels/to_rgb.h"

namespace gpen::GPEN_GPU_NS {

ConvWork work_of(const ConvGemm& problem, Precision precision, int64_t steps, bool blurred) {
  ConvWork work;
  work.phases = problem.phases;
  for (int i = 0; i < problem.phases; ++i) {
    work.rows[i] = int64_t{problem.phase[i].out_h} * problem.phase[i].out_w;
    work.taps = std::max(work.taps, problem.phase[i].taps);
  }
  work.out_channels = problem.out_channels;
  work.steps = steps;
  work.stride = problem.stride;
  work.shift = problem.shift;
  const int chunk = GpuConvWeights::kChunkBytes / static_cast<int>(size_of(storage_of(precision)));
  work.coefficient_bytes = static_cast<size_t>((problem.x.chunks + 2 * problem.feature.chunks) * chunk) * sizeof(float);
  work.blur = blurred;
  // A feature wider than y itself would need more shared memory than the epilogue has.
  work.rgb = problem.rgb.wanted && problem.rgb.feature.channels <= problem.out_channels;
  return work;
}

void run_conv_gemm(Exec& exec, ConvGemm problem, Precision precision, const ConvPlan& plan) {
  const ConvTileShape shape = shape_of(plan.tile);
  int64_t tiles = 0;
  for (int i = 0; i < problem.phases; ++i) {
    problem.phase[i].first_tile = static_cast<int>(tiles);
    tiles += ceil_div(int64_t{problem.phase[i].out_h} * problem.phase[i].out_w, shape.rows);
  }
  problem.splits = plan.splits;
  problem.rgb.wanted = plan.rgb_in_epilogue;
  problem.counters = exec.device->counters();
  // The counters are for all images of a launch; beyond them the batch is cut.
  const int64_t counted = tiles * ceil_div(problem.out_channels, shape.columns);
  const int64_t at_once = plan.splits > 1 ? std::max<int64_t>(1, Device::kCounters / counted) : problem.images;
  const int64_t images = std::min<int64_t>(problem.images, at_once);
  Workspace::Handle partial;
  if (plan.splits > 1)
    problem.partial =
        exec.ws.take(static_cast<size_t>(images * counted * plan.splits * shape.rows * shape.columns), &partial);
  if (!exec.dry()) {
    ConvGemmFn* const kernel = precision == Precision::fp16        ? conv_gemm_fp16
                               : precision == Precision::bf16      ? conv_gemm_bf16
                               : precision == Precision::tf32      ? conv_gemm_tf32
                               : precision == Precision::fp16_fast ? conv_gemm_fp16_fast
                                                                   : conv_gemm_fp32;
    const int64_t all = problem.images;
    problem.images = static_cast<int>(images);
    for (int64_t first = 0; first < all; first += images) {
      problem.images = static_cast<int>(std::min(images, all - first));
      kernel(*exec.device, images_from(problem, first, size_of(storage_of(precision))), plan.tile, tiles);
    }
  }
  if (plan.splits > 1) exec.ws.give_back(partial);
}

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
  ConvGemm p = conv_problem(w, in, y);
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
  const bool plain = ep.residual.c == 0 && ep.residual2.c == 0, blurred = g.blur_pad > 0;
  if (ep.rgb != nullptr && plain && !blurred) p.rgb = rgb_problem(*ep.rgb);
  const bool could_blur = blurred && plain && g.kernel_h == 3 && g.kernel_w == 3 && g.stride == 2 && g.pad == 0 &&
                          g.blur_pad == 2 && g.upsample == 1;
  p.shift = g.upsample == 2 ? 1 : 0;

  const auto convolve = [&](Exec& on, const TensorView& x, const ConvPlan& plan) {
    p.x = part_of(x, w.x_chunks);
    p.in_w = static_cast<int>(x.w);
    p.logical_h = static_cast<int>(x.h) << p.shift;
    p.logical_w = static_cast<int>(x.w) << p.shift;
    if (!plan.blur_in_load)
      run_conv_gemm(on, p, w.precision, plan);
    else if (!on.dry())
      conv_blurred(*on.device, p, w.precision, plan.tile);
  };
  const auto compute = [&](Exec& on, const ConvPlan& plan) {
    if (blurred && !plan.blur_in_load) {
      Workspace::Handle handle;
      const TensorView x =
          on.activation(in.x.n, in.x.c, in.x.h + 2 * g.blur_pad - 3, in.x.w + 2 * g.blur_pad - 3, &handle);
      blur_1331(on, in.x, g.blur_pad, 1.f / 64, {}, x);
      convolve(on, x, plan);
      on.ws.give_back(handle);
    } else {
      convolve(on, in.x, plan);
    }
    if (ep.rgb != nullptr && !plan.rgb_in_epilogue) to_rgb_of(on, *ep.rgb, y);
  };
  const ConvWork work = work_of(p, w.precision, w.taps * w.chunks(), could_blur);
  const ConvPlan plan = choose_plan(work, w.precision, *exec.device);
  if (wants_trial(exec)) {
    std::vector<ConvOutput> outputs;
    if (ep.rgb == nullptr || !ep.rgb->only_rgb) outputs.push_back(output_of(y));
    if (ep.rgb != nullptr) outputs.push_back(output_of(ep.rgb->rgb));
    exec.device->conv_plans()->trial({exec, work, w.precision, plan, y.n, std::move(outputs), compute});
  }
  compute(exec, plan);
}

}  // namespace gpen::GPEN_GPU_NS
