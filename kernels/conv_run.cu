// Running a convolution of conv_gemm.h by a plan: which kernels, with which scratch.
#include <algorithm>

#include "kernels/conv_gemm_device.h"
#include "kernels/conv_plans.h"

namespace gpen::GPEN_GPU_NS {

namespace {

ConvWork work_of(const ConvJob& job) {
  const ConvGemm& problem = job.problem;
  ConvWork work;
  work.phases = problem.phases;
  for (int i = 0; i < problem.phases; ++i) {
    work.rows[i] = int64_t{problem.phase[i].out_h} * problem.phase[i].out_w;
    work.taps = std::max(work.taps, problem.phase[i].taps);
  }
  work.out_channels = problem.out_channels;
  work.steps = job.steps;
  work.stride = problem.stride;
  work.shift = problem.shift;
  const int chunk = GpuConvWeights::kChunkBytes / static_cast<int>(size_of(storage_of(job.precision)));
  work.coefficient_bytes = static_cast<size_t>((problem.x.chunks + 2 * problem.feature.chunks) * chunk) * sizeof(float);
  work.blur = job.may_load_blurred;
  // A feature wider than y itself would need more shared memory than the epilogue has.
  work.rgb = problem.rgb.wanted && problem.rgb.feature.channels <= problem.out_channels;
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

struct Scratch {
  float* partial = nullptr;
  TensorView blurred;
};

bool blurs_apart(const ConvJob& job, const ConvPlan& plan) { return job.blur_pad > 0 && !plan.blur_in_load; }

void run(Exec& exec, const ConvJob& job, const ConvWork& work, const ConvPlan& plan, const Scratch& scratch) {
  ConvGemm p = job.problem;
  p.rgb.wanted = plan.rgb_in_epilogue;
  if (blurs_apart(job, plan)) {
    blur_1331(exec, job.x, job.blur_pad, 1.f / 64, {}, scratch.blurred);
    set_input(scratch.blurred, p.x.chunks, &p);
  }
  if (plan.blur_in_load)
    conv_blurred(*exec.device, p, job.precision, plan.tile);
  else
    launch(*exec.device, p, job.precision, work, plan, scratch.partial);
  if (job.rgb != nullptr && !plan.rgb_in_epilogue) to_rgb_of(exec, *job.rgb, job.y);
}

TensorView blurred_view(const ConvJob& job, float* data) {
  const int64_t more = 2 * job.blur_pad - 3;
  TensorView view = job.x;
  view.data = data;
  view.h += more;
  view.w += more;
  view.pixel_stride = view.blocks() * kBlock;
  view.batch_stride = view.h * view.w * view.pixel_stride;
  return view;
}

// Lets who measures plans try others. What is compared is the layer's answer: where y may be left out, the colours.
void offer(Exec& exec, const ConvJob& job, const ConvWork& work, const ConvPlan& plan, const ConvPlans& plans) {
  const ConvGemm& problem = job.problem;
  ConvLaunch offered{work, job.precision, plan, problem.images, {}, nullptr, nullptr};
  if (job.rgb != nullptr) {
    offered.output = {job.rgb->rgb.data, ElementType::f32, 3 * job.rgb->rgb.h * job.rgb->rgb.w, 1, 1};
  } else {
    int64_t height = 0;
    for (int i = 0; i < problem.phases; ++i)
      height =
          std::max<int64_t>(height, (problem.phase[i].out_h - 1) * problem.out_step + problem.phase[i].y_offset + 1);
    offered.output = {problem.y.data, storage_of(job.precision), height * problem.y_width, problem.y.pixel_stride,
                      problem.out_channels};
  }
  const TensorView blurred = blurred_view(job, nullptr);
  const auto blurred_floats = static_cast<size_t>(
      ceil_div(blurred.n * blurred.batch_stride * size_of(storage_of(job.precision)), int64_t{sizeof(float)}));
  offered.scratch_floats = [&](const ConvPlan& p) {
    const auto images = static_cast<size_t>(images_at_once(work, p, problem.images));
    return images * partial_floats(work, p) + (blurs_apart(job, p) ? blurred_floats : 0);
  };
  offered.run = [&](const ConvPlan& p, float* memory) {
    const auto images = static_cast<size_t>(images_at_once(work, p, problem.images));
    run(exec, job, work, p, {memory, blurred_view(job, memory + images * partial_floats(work, p))});
  };
  plans.trial(offered);
}

}  // namespace

void run_conv(Exec& exec, const ConvJob& job) {
  const ConvWork work = work_of(job);
  const ConvPlan plan = choose_plan(work, job.precision, *exec.device);
  Scratch scratch;
  Workspace::Handle partial, blurred;
  if (blurs_apart(job, plan)) {
    const int64_t more = 2 * job.blur_pad - 3;
    scratch.blurred = exec.activation(job.x.n, job.x.c, job.x.h + more, job.x.w + more, &blurred);
  }
  if (plan.splits > 1) {
    const auto images = static_cast<size_t>(images_at_once(work, plan, job.problem.images));
    scratch.partial = exec.ws.take(images * partial_floats(work, plan), &partial);
  }
  if (!exec.dry()) {
    const ConvPlans* const plans = exec.device->conv_plans().get();
    if (plans != nullptr && plans->trial != nullptr) offer(exec, job, work, plan, *plans);
    run(exec, job, work, plan, scratch);
  }
  if (plan.splits > 1) exec.ws.give_back(partial);
  if (blurs_apart(job, plan)) exec.ws.give_back(blurred);
}

}  // namespace gpen::GPEN_GPU_NS
