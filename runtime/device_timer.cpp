#include "runtime/device_timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace gpen {
namespace {

constexpr int kRuns = 4;                     // in a row, when not cold
constexpr size_t kFill = size_t{256} << 20;  // more than any level-2 cache holds
constexpr double kPlugMs = 0.5;

// For a device whose work is done when the call returns.
class HostClock : public DeviceClock {
 public:
  explicit HostClock(Device& device) : device_(device) {}
  void begin() override { begin_ = Clock::now(); }
  void end() override { end_ = Clock::now(); }
  Result<double> ms() override {
    GPEN_RETURN_IF_ERROR(device_.finish());
    return std::chrono::duration<double, std::milli>(end_ - begin_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Device& device_;
  Clock::time_point begin_, end_;
};

}  // namespace

Result<DeviceTimer> DeviceTimer::make(std::shared_ptr<Device> device, bool cold) {
  DeviceTimer timer;
  timer.device_ = device;
  timer.cold_ = cold;
  GPEN_ASSIGN(timer.clock_, device->make_clock());
  if (timer.clock_ == nullptr) {  // its work is done at once: nothing to plug, and no more precise when repeated
    timer.clock_ = std::make_unique<HostClock>(*device);
    return timer;
  }
  GPEN_ASSIGN(timer.memory_, DeviceBuffer::make(device, kFill));
  double ms = 0;
  for (int i = 0; i < 3; ++i) {  // the first one takes longer
    timer.clock_->begin();
    device->clear(timer.memory_.data(), kFill);
    timer.clock_->end();
    GPEN_ASSIGN(ms, timer.clock_->ms());
  }
  timer.fills_ = static_cast<int>(std::clamp(std::ceil(kPlugMs / std::max(ms, 1e-3)), 1.0, 100.0));
  return timer;
}

void DeviceTimer::plug() {
  for (int i = 0; i < fills_; ++i) device_->clear(memory_.data(), kFill);
}

Result<double> DeviceTimer::ms(const std::function<void()>& work) {
  const int runs = cold_ || fills_ == 0 ? 1 : kRuns;
  plug();
  if (runs > 1) work();
  clock_->begin();
  for (int i = 0; i < runs; ++i) work();
  clock_->end();
  GPEN_ASSIGN(const double ms, clock_->ms());
  return ms / runs;
}

ReplayTimer::ReplayTimer(std::shared_ptr<Device> device) : device_(std::move(device)) {
  info_ = device_->info();
  kernels_ = &device_->kernels();
  counters_ = device_->counters();
}

Result<std::shared_ptr<ReplayTimer>> ReplayTimer::make(std::shared_ptr<Device> device) {
  GPEN_ASSIGN(std::unique_ptr<DeviceClock> clock, device->make_clock());
  if (clock == nullptr) clock = std::make_unique<HostClock>(*device);
  std::shared_ptr<ReplayTimer> timer(new ReplayTimer(std::move(device)));
  timer->clock_ = std::move(clock);
  return timer;
}

// Errors of the kernels' launches are noted here, those of the other device there.
Status ReplayTimer::finish() {
  Status theirs = device_->finish(), own = take_error();
  return own.ok() ? theirs : own;
}

Result<std::unique_ptr<RecordedWork>> ReplayTimer::record(const std::function<void()>& work) {
  auto recorded = device_->record(work);
  GPEN_RETURN_IF_ERROR(take_error());
  return recorded;
}

void ReplayTimer::replay(const RecordedWork& work) {
  clock_->begin();
  device_->replay(work);
  clock_->end();
  ++replays_;
}

}  // namespace gpen
