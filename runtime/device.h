// A computing device beside the CPU: its memory, its one stream of ordered work, and its kernels.
//
// Work is put on the stream in order and runs later: upload, kernels and copy return at once (upload when the host's
// memory may be used again), download and finish wait, release() is after the work that was put there before. Errors of
// the work are noted and returned by the next finish(); after an error the remaining work is without meaning. A Device
// is used by one thread at a time.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/status.h"

namespace gpen {

struct GpuKernels;  // kernels/gpu_kernels.h
struct ConvPlans;   // kernels/conv_plans.h

struct DeviceInfo {
  std::string name;         // "cuda:0"
  std::string model;        // as the driver calls it
  int capability = 0;       // 10 * major + minor: 90 is sm_90
  int multiprocessors = 1;  // blocks that run side by side at least
  size_t memory_bytes = 0;  // in all
  size_t shared_bytes = 0;  // most shared memory of a block
};

// Two marks in a device's work and the time between them.
class DeviceClock {
 public:
  virtual ~DeviceClock() = default;
  virtual void begin() = 0;
  virtual void end() = 0;
  // Milliseconds from begin() to end(). Waits; the first error of the work since the last finish().
  virtual Result<double> ms() = 0;
};

// Work that was recorded once to be put on the stream as a whole (a CUDA graph).
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
};

class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  const DeviceInfo& info() const { return info_; }
  const GpuKernels& kernels() const { return *kernels_; }

  // Memory aligned to 256 bytes, not cleared. Code::memory when there is not so much.
  virtual Result<void*> allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;  // device to device
  virtual void clear(void* memory, size_t bytes) = 0;               // to zero
  // Waits for all work; the first error since the last finish().
  virtual Status finish() = 0;
  // Waits without asking: for timing.
  void wait() {
    if (Status s = finish(); !s.ok()) note_error(std::move(s));
  }
  virtual size_t free_bytes() = 0;
  // Bytes of all upload() and download() so far.
  struct Traffic {
    size_t up = 0, down = 0;
  };
  const Traffic& traffic() const { return traffic_; }

  // Records what `work` puts on the stream instead of running it. Only kernels, copy() and clear() may be in it.
  virtual Result<std::unique_ptr<RecordedWork>> record(const std::function<void()>& work) = 0;
  virtual void replay(const RecordedWork& work) = 0;

  // kCounters zeros for kernels that count their blocks; whoever uses them leaves zeros behind.
  static constexpr int kCounters = 4096;
  unsigned* counters() const { return counters_; }

  // Measured plans of the convolutions; null: there are none. To be set before networks are planned, and not between
  // the planning of a network and its runs. Its rows are checked: the device can run them.
  void set_conv_plans(std::shared_ptr<const ConvPlans> plans) { conv_plans_ = std::move(plans); }
  const std::shared_ptr<const ConvPlans>& conv_plans() const { return conv_plans_; }

  // Null: the device has no clock of its own, its work is done when the call returns.
  virtual Result<std::unique_ptr<DeviceClock>> make_clock() { return std::unique_ptr<DeviceClock>(); }

  // For the kernels' launches.
  void note_error(Status error) {
    if (first_error_.ok()) std::swap(first_error_, error);
  }
  virtual void* native_stream() { return nullptr; }  // cudaStream_t
  // Emulation only: runs `work` now or, inside record(), later.
  virtual void run_or_record(std::function<void()> work) { work(); }

 protected:
  Device() = default;
  Status take_error() { return std::exchange(first_error_, Status()); }
  DeviceInfo info_;
  const GpuKernels* kernels_ = nullptr;
  unsigned* counters_ = nullptr;
  Traffic traffic_;

 private:
  std::shared_ptr<const ConvPlans> conv_plans_;
  Status first_error_;
};

// A piece of a device's memory, released with the object.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  static Result<DeviceBuffer> make(std::shared_ptr<Device> device, size_t bytes) {
    DeviceBuffer b;
    if (bytes > 0) {
      GPEN_ASSIGN(b.data_, device->allocate(bytes));
      b.bytes_ = bytes;
      b.device_ = std::move(device);
    }
    return Result<DeviceBuffer>(std::move(b));
  }
  // With a copy of the host's memory.
  static Result<DeviceBuffer> copy_of(std::shared_ptr<Device> device, const void* from, size_t bytes) {
    GPEN_ASSIGN(DeviceBuffer b, make(std::move(device), bytes));
    if (bytes > 0) b.device_->upload(b.data_, from, bytes);
    return Result<DeviceBuffer>(std::move(b));
  }
  DeviceBuffer(DeviceBuffer&& o) noexcept { swap(o); }
  DeviceBuffer& operator=(DeviceBuffer&& o) noexcept {
    swap(o);
    return *this;
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) device_->release(data_);
  }
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceBuffer& o) {
    std::swap(device_, o.device_);
    std::swap(data_, o.data_);
    std::swap(bytes_, o.bytes_);
  }
  std::shared_ptr<Device> device_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace gpen
