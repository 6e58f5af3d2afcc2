// conv2d on a device: the convolution as a matrix product (conv_gemm_kernel.h). The encoder's blurred convolutions blur
// into a scratch picture first.
#include <algorithm>

#include "kernels/conv2d_impl.h"
#include "kernels/conv_gemm_device.h"
#include "kernels/conv_plans.h"
#include "kernels/gpu_functions.h"

namespace gpen::GPEN_GPU_NS {

namespace {

ConvWork work_of(const ConvGemm& problem, Precision precision, int64_t steps) {
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
  return work;
}

// Images of a launch: the counters are for all of them, and beyond the counters the batch is cut.
int64_t images_at_once(const ConvWork& work, const ConvPlan& plan, int64_t images) {
  if (plan.splits == 1) return images;
  const ConvTileShape shape = shape_of(plan.tile);
  const int64_t counted = row_tiles(work, shape.rows) * ceil_div(work.out_channels, shape.columns);
  return std::min(images, std::max<int64_t>(1, Device::kCounters / counted));
}

void launch(Device& device, ConvGemm problem, Precision precision, const ConvWork& work, const ConvPlan& plan,
            float* partial) {
  const int rows = shape_of(plan.tile).rows;
  int first_tile = 0;
  for (int i = 0; i < problem.phases; ++i) {
    problem.phase[i].first_tile = first_tile;
    first_tile += static_cast<int>(ceil_div(work.rows[i], rows));
  }
  problem.splits = plan.splits;
  problem.counters = device.counters();
  problem.partial = partial;
  ConvGemmFn* const kernel = precision == Precision::fp16        ? conv_gemm_fp16
                             : precision == Precision::bf16      ? conv_gemm_bf16
                             : precision == Precision::tf32      ? conv_gemm_tf32
                             : precision == Precision::fp16_fast ? conv_gemm_fp16_fast
                                                                 : conv_gemm_fp32;
  const int64_t all = problem.images, images = images_at_once(work, plan, all);
  for (int64_t first = 0; first < all; first += images) {
    problem.images = static_cast<int>(std::min(images, all - first));
    kernel(device, images_from(problem, first, size_of(storage_of(precision))), plan.tile, first_tile);
  }
}

}  // namespace

void run_conv_gemm(Exec& exec, const ConvGemm& problem, Precision precision, int64_t steps) {
  const ConvWork work = work_of(problem, precision, steps);
  Device& device = *exec.device;
  const ConvPlan plan = choose_plan(work, precision, device);
  Workspace::Handle handle;
  float* partial = nullptr;
  if (plan.splits > 1) {
    const auto images = static_cast<size_t>(images_at_once(work, plan, problem.images));
    partial = exec.ws.take(images * partial_floats(work, plan), &handle);
  }
  if (!exec.dry()) {
    if (const ConvPlans* plans = device.conv_plans().get(); plans != nullptr && plans->trial != nullptr) {
      int64_t height = 0;
      for (int i = 0; i < problem.phases; ++i)
        height =
            std::max<int64_t>(height, (problem.phase[i].out_h - 1) * problem.out_step + problem.phase[i].y_offset + 1);
      plans->trial({work, precision, plan, problem.images, problem.y.data, height * problem.y_width,
                    problem.y.pixel_stride, problem.out_channels,
                    [&](const ConvPlan& p, float* parts) { launch(device, problem, precision, work, p, parts); }});
    }
    launch(device, problem, precision, work, plan, partial);
  }
  if (plan.splits > 1) exec.ws.give_back(handle);
}

void conv2d(Exec& exec, const Conv2dWeights& weights, const ConvInput& in, const ConvEpilogue& ep, TensorView y) {
  const GpuConvWeights& w = weights.impl().gpu;
  const ConvGeometry& g = weights.geometry();
  if (in.stem.weight != nullptr)
    return exec.device->note_error(fail(Code::internal, "conv2d: a device does not compute the stem on the way"));
  ConvInput input = in;
  Workspace::Handle blurred;
  if (g.blur_pad > 0) {
    input.x = exec.activation(in.x.n, in.x.c, in.x.h + 2 * g.blur_pad - 3, in.x.w + 2 * g.blur_pad - 3, &blurred);
    blur_1331(exec, in.x, g.blur_pad, 1.f / 64, {}, input.x);
  }
  ConvGemm p = conv_problem(w, input, y);
  p.shift = g.upsample == 2 ? 1 : 0;
  p.logical_h = static_cast<int>(input.x.h) << p.shift;
  p.logical_w = static_cast<int>(input.x.w) << p.shift;
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
  run_conv_gemm(exec, p, w.precision, w.taps * w.chunks());
  if (g.blur_pad > 0) exec.ws.give_back(blurred);
}

}  // namespace gpen::GPEN_GPU_NS
