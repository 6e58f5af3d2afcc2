#include "kernels/conv_tune.h"

#include <algorithm>
#include <cmath>

#include "runtime/element.h"

namespace gpen {
namespace {

constexpr double kLeastGain = 0.02;  // of the time: what is closer is noise, and the estimate stays

// Relative error between two right answers: they differ in the order of sums, and by a unit of what is stored.
double error_limit(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return 1e-5;
    case Precision::tf32:  // a unit of fp32 can be one of 11 bits in the product
      return 1e-4;
    case Precision::fp16:
      return 2 * 0x1p-11;
    case Precision::fp16_fast:
      return 16 * 0x1p-11;
    case Precision::bf16:
      return 2 * 0x1p-8;
  }
  return 0;
}

// The layer's own channels of two answers: as a whole within the limit, and no value far beyond it.
bool same_answer(const ConvOutput& output, double limit, const std::vector<uint8_t>& right,
                 const std::vector<uint8_t>& other) {
  if (right == other) return true;
  const auto for_each = [&](auto fn) {
    for (int64_t p = 0; p < output.pixels; ++p)
      for (int64_t i = p * output.pixel_stride; i < p * output.pixel_stride + output.channels; ++i)
        fn(double{element_at(right.data(), i, output.type)}, double{element_at(other.data(), i, output.type)});
  };
  double difference = 0, whole = 0;
  for_each([&](double a, double b) {
    difference += (a - b) * (a - b);
    whole += a * a;
  });
  if (!(std::sqrt(difference) <= limit * std::sqrt(whole))) return false;  // also when one is not finite
  const double typical = std::sqrt(whole / static_cast<double>(output.pixels * output.channels));
  bool close = true;
  for_each([&](double a, double b) { close = close && std::abs(a - b) <= 16 * limit * (std::abs(a) + typical); });
  return close;
}

}  // namespace

void ConvTuner::trial(const ConvLaunch& launch) {
  if (!status_.ok()) return;
  for (TunedLayer& known : layers_) {
    if (known.chosen.precision != launch.precision || known.chosen.work != launch.work) continue;
    ++known.calls;
    return;
  }
  TunedLayer layer;
  status_ = measure(launch, &layer).in(describe(launch.work));
  if (status_.ok()) layers_.push_back(layer);
}

Status ConvTuner::measure(const ConvLaunch& launch, TunedLayer* layer) {
  if (launch.images != 1) return fail(Code::internal, "plans are measured with one image, not ", launch.images);
  std::vector<DeviceBuffer> before;
  for (const ConvOutput& output : launch.outputs) {
    GPEN_ASSIGN(before.emplace_back(), DeviceBuffer::make(device_, output.bytes()));
    device_->copy(before.back().data(), output.data, output.bytes());
  }
  std::vector<ConvPlan> plans = candidate_plans(launch.work, device_->info());
  std::erase(plans, launch.plan);
  plans.insert(plans.begin(), launch.plan);
  std::vector<std::vector<uint8_t>> right;
  for (const ConvPlan& plan : plans) {
    const bool first = right.empty();
    Workspace scratch(device_);
    Exec exec{launch.exec.pool, scratch, launch.exec.device, launch.exec.type};
    scratch.begin_plan();
    launch.compute(exec, plan);
    const Status room = scratch.finish_plan();
    if (room.code() == Code::memory && !first) continue;
    GPEN_RETURN_IF_ERROR(room);
    const auto run = [&] {
      scratch.begin_run();
      launch.compute(exec, plan);
    };
    GPEN_RETURN_IF_ERROR(restore(launch, before));
    run();
    GPEN_ASSIGN(auto got, answer(launch));
    if (first) right = got;
    bool same = true;
    for (size_t i = 0; i < got.size(); ++i)
      same = same && same_answer(launch.outputs[i], error_limit(launch.precision), right[i], got[i]);
    if (!same) {
      ++layer->wrong;
      continue;
    }
    ConvPlanRow row{launch.precision, launch.work, plan, 0};
    std::vector<double> times;
    for (int i = 0; i < reps_; ++i) {
      GPEN_ASSIGN(const double ms, timer_(row, run));
      times.push_back(ms);
    }
    std::nth_element(times.begin(), times.begin() + reps_ / 2, times.end());
    row.ms = times[static_cast<size_t>(reps_ / 2)];
    if (first) layer->chosen = layer->best = row;
    if (row.ms < layer->best.ms && row.ms < layer->chosen.ms * (1 - kLeastGain)) layer->best = row;
  }
  return restore(launch, before);
}

Status ConvTuner::restore(const ConvLaunch& launch, const std::vector<DeviceBuffer>& before) {
  for (size_t i = 0; i < before.size(); ++i) device_->copy(launch.outputs[i].data, before[i].data(), before[i].bytes());
  return device_->finish();
}

// What lies in the outputs.
Result<std::vector<std::vector<uint8_t>>> ConvTuner::answer(const ConvLaunch& launch) {
  std::vector<std::vector<uint8_t>> all;
  for (const ConvOutput& output : launch.outputs) {
    std::vector<uint8_t>& bytes = all.emplace_back(output.bytes());
    device_->download(bytes.data(), output.data, bytes.size());
  }
  GPEN_RETURN_IF_ERROR(device_->finish());
  return all;
}

}  // namespace gpen
