// Times of a device's work, measured on the device.
//
// A few milliseconds after the host has put work on the stream it is done; what is to be timed must therefore not wait
// for the host. Before every timing the stream is plugged: a memory fill of about half a millisecond runs while the
// host puts the work and the two events around it on the stream behind it.
#pragma once
#include <functional>
#include <memory>

#include "runtime/device.h"

namespace gpen {

class DeviceTimer {
 public:
  // cold: before a run the caches are filled with something else; else the work has just run. Code::memory.
  static Result<DeviceTimer> make(std::shared_ptr<Device> device, bool cold);
  // Milliseconds of what work() puts on the stream, once: cold, or the mean of several runs in a row. A device without
  // a clock of its own is timed by the host's.
  Result<double> ms(const std::function<void()>& work);
  // Keeps the stream busy while the host puts work on it.
  void plug();

 private:
  std::shared_ptr<Device> device_;
  bool cold_ = false;
  DeviceBuffer memory_;
  int fills_ = 0;
  std::unique_ptr<DeviceClock> clock_;
};

// Hands everything on to another device and times the replays of recorded work.
class ReplayTimer : public Device {
 public:
  static Result<std::shared_ptr<ReplayTimer>> make(std::shared_ptr<Device> device);
  // Milliseconds of the last replay() on the device.
  Result<double> ms() { return clock_->ms(); }
  int replays() const { return replays_; }  // so far

  Result<void*> allocate(size_t bytes) override { return device_->allocate(bytes); }
  void release(void* memory) override { device_->release(memory); }
  void upload(void* to, const void* from, size_t bytes) override { device_->upload(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { device_->download(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { device_->copy(to, from, bytes); }
  void clear(void* memory, size_t bytes) override { device_->clear(memory, bytes); }
  Status finish() override;
  size_t free_bytes() override { return device_->free_bytes(); }
  Result<std::unique_ptr<RecordedWork>> record(const std::function<void()>& work) override;
  void replay(const RecordedWork& work) override;
  Result<std::unique_ptr<DeviceClock>> make_clock() override { return device_->make_clock(); }
  void* native_stream() override { return device_->native_stream(); }
  void run_or_record(std::function<void()> work) override { device_->run_or_record(std::move(work)); }

 private:
  explicit ReplayTimer(std::shared_ptr<Device> device);
  std::shared_ptr<Device> device_;
  std::unique_ptr<DeviceClock> clock_;
  int replays_ = 0;
};

}  // namespace gpen
