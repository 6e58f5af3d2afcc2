// Times of a device's work, measured on the device.
//
// A few milliseconds after the host has put work on the stream it is done; what is to be timed must therefore not wait
// for the host. Before every timing the stream is plugged: a memory fill of about half a millisecond runs while the
// host puts the work and the two events around it on the stream behind it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "runtime/device.h"

namespace gpen::bench {

// "cuda:N"; also "emulated" where the tests are built: results are checked, times are those of the host and mean
// nothing. Code::usage for another name, Code::device as open_cuda_device().
Result<std::shared_ptr<Device>> open_bench_device(const std::string& name);
bool is_emulated(const Device& device);

// Two events on the stream of a device (the host's clock for an emulated one, whose work is done at once).
class EventPair {
 public:
  static Result<EventPair> make(std::shared_ptr<Device> device);
  void begin();
  void end();
  // Milliseconds between the two. Waits; the first error of the work since the last finish().
  Result<double> ms();

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<void> begin_, end_;  // cudaEvent_t
  Clock::time_point host_begin_, host_end_;
};

class DeviceTimer {
 public:
  // cold: before a run the caches are filled with something else; else the work has just run. Code::memory.
  static Result<DeviceTimer> make(std::shared_ptr<Device> device, bool cold);
  // Milliseconds of what work() puts on the stream, once: cold, or the mean of several runs in a row.
  Result<double> ms(const std::function<void()>& work);
  // Over `reps` of them.
  Result<Times> times(const std::function<void()>& work, int reps);
  // Keeps the stream busy while the host puts work on it.
  void plug();

 private:
  std::shared_ptr<Device> device_;
  bool cold_ = false;
  DeviceBuffer memory_;
  int fills_ = 0;
  EventPair events_;
};

// Hands everything on to another device and times the replays of recorded work.
class ReplayTimer : public Device {
 public:
  static Result<std::shared_ptr<ReplayTimer>> make(std::shared_ptr<Device> device);
  // Milliseconds of the last replay() on the device.
  Result<double> ms() { return events_.ms(); }

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
  void* native_stream() override { return device_->native_stream(); }
  void run_or_record(std::function<void()> work) override { device_->run_or_record(std::move(work)); }

 private:
  explicit ReplayTimer(std::shared_ptr<Device> device);
  std::shared_ptr<Device> device_;
  EventPair events_;
};

}  // namespace gpen::bench
