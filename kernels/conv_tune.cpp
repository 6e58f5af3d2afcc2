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
    case Precision::tf32:  // where a blur is fused: its last bit can be one of 11 in the products
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
bool same_answer(const ConvLaunch& launch, const std::vector<uint8_t>& right, const std::vector<uint8_t>& other) {
  if (right == other) return true;
  const ConvLaunch::Output& y = launch.output;
  const auto for_each = [&](auto fn) {
    for (int64_t p = 0; p < y.pixels; ++p)
      for (int64_t i = p * y.pixel_stride; i < p * y.pixel_stride + y.channels; ++i)
        fn(double{element_at(right.data(), i, y.type)}, double{element_at(other.data(), i, y.type)});
  };
  double difference = 0, whole = 0;
  for_each([&](double a, double b) {
    difference += (a - b) * (a - b);
    whole += a * a;
  });
  const double limit = error_limit(launch.precision);
  if (!(std::sqrt(difference) <= limit * std::sqrt(whole))) return false;  // also when one is not finite
  const double typical = std::sqrt(whole / static_cast<double>(y.pixels * y.channels));
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
  const ConvLaunch::Output& y = launch.output;
  const auto bytes = static_cast<size_t>(((y.pixels - 1) * y.pixel_stride + y.channels) * size_of(y.type));
  GPEN_ASSIGN(const DeviceBuffer before, DeviceBuffer::make(device_, bytes));
  device_->copy(before.data(), y.data, bytes);
  std::vector<ConvPlan> plans = candidate_plans(launch.work, device_->info());
  std::erase(plans, launch.plan);
  plans.insert(plans.begin(), launch.plan);
  std::vector<uint8_t> right;
  for (const ConvPlan& plan : plans) {
    DeviceBuffer scratch;
    if (const size_t floats = launch.scratch_floats(plan); floats > 0) {
      auto made = DeviceBuffer::make(device_, floats * sizeof(float));
      if (!made.ok() && made.status().code() == Code::memory && !right.empty()) continue;
      GPEN_ASSIGN(scratch, std::move(made));
    }
    GPEN_ASSIGN(std::vector<uint8_t> got, answer(launch, plan, before, scratch.floats()));
    const bool first = right.empty();
    if (first) right = std::move(got);
    if (!first && !same_answer(launch, right, got)) {
      ++layer->wrong;
      continue;
    }
    ConvPlanRow row{launch.precision, launch.work, plan, 0};
    std::vector<double> times;
    for (int i = 0; i < reps_; ++i) {
      GPEN_ASSIGN(const double ms, timer_(row, [&] { launch.run(plan, scratch.floats()); }));
      times.push_back(ms);
    }
    std::nth_element(times.begin(), times.begin() + reps_ / 2, times.end());
    row.ms = times[static_cast<size_t>(reps_ / 2)];
    if (first) layer->chosen = layer->best = row;
    if (row.ms < layer->best.ms && row.ms < layer->chosen.ms * (1 - kLeastGain)) layer->best = row;
  }
  device_->copy(y.data, before.data(), bytes);
  return device_->finish();
}

// What lies at y after the plan ran on the memory as it was before.
Result<std::vector<uint8_t>> ConvTuner::answer(const ConvLaunch& launch, const ConvPlan& plan,
                                               const DeviceBuffer& before, float* scratch) {
  device_->copy(launch.output.data, before.data(), before.bytes());
  launch.run(plan, scratch);
  std::vector<uint8_t> bytes(before.bytes());
  device_->download(bytes.data(), launch.output.data, bytes.size());
  GPEN_RETURN_IF_ERROR(device_->finish());
  return bytes;
}

}  // namespace gpen
