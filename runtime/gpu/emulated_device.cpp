#include "runtime/gpu/emulated_device.h"

#include <cstring>
#include <map>
#include <vector>

#include "runtime/gpu/emulation_memory.h"

namespace gpen {

namespace emulated {
const GpuKernels& gpu_kernels();  // kernels/gpu_kernels.cu
}

namespace {

struct EmulatedGraph : RecordedWork {
  std::vector<std::function<void()>> steps;
};

class EmulatedDevice : public Device {
 public:
  explicit EmulatedDevice(const EmulatedDeviceOptions& options) {
    info_.name = "emulated";
    info_.model = "emulation of a CUDA device";
    info_.capability = options.capability;
    info_.multiprocessors = options.multiprocessors;
    info_.memory_bytes = options.memory_bytes;
    info_.shared_bytes = options.shared_bytes;
    kernels_ = &emulated::gpu_kernels();
    counters_ = static_cast<unsigned*>(allocate(kCounters * sizeof(unsigned)).value());
    std::memset(counters_, 0, kCounters * sizeof(unsigned));
  }

  Result<void*> allocate(size_t bytes) override {
    refuse_recording("allocate");
    if (bytes > free_bytes())
      return fail(Code::memory, info_.name, ": cannot allocate ", bytes >> 20, " MiB, ", free_bytes() >> 20,
                  " MiB are free");
    auto memory = std::make_unique<gpu::emulation::GuardedBytes>(bytes);
    void* data = memory->data();
    used_ += bytes;
    memory_[data] = std::move(memory);
    return data;
  }
  void release(void* memory) override {
    refuse_recording("release");
    const auto at = memory_.find(memory);
    if (at == memory_.end())
      return note_error(fail(Code::internal, info_.name, ": released memory that is not its own"));
    check(*at->second);
    used_ -= at->second->size();
    memory_.erase(at);
  }
  void upload(void* to, const void* from, size_t bytes) override {
    refuse_recording("upload");
    traffic_.up += bytes;
    move(to, from, bytes);
  }
  void download(void* to, const void* from, size_t bytes) override {
    refuse_recording("download");
    traffic_.down += bytes;
    move(to, from, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override {
    run_or_record([=] { move(to, from, bytes); });
  }
  void clear(void* memory, size_t bytes) override {
    run_or_record([=] {
      if (bytes > 0) std::memset(memory, 0, bytes);
    });
  }
  Status finish() override {
    refuse_recording("finish");
    for (const auto& [data, memory] : memory_) check(*memory);
    return take_error();
  }
  size_t free_bytes() override { return info_.memory_bytes > used_ ? info_.memory_bytes - used_ : 0; }

  Result<std::unique_ptr<RecordedWork>> record(const std::function<void()>& work) override {
    auto graph = std::make_unique<EmulatedGraph>();
    recording_ = graph.get();
    work();
    recording_ = nullptr;
    GPEN_RETURN_IF_ERROR(take_error());
    return Result<std::unique_ptr<RecordedWork>>(std::move(graph));
  }
  void replay(const RecordedWork& work) override {
    for (const auto& step : static_cast<const EmulatedGraph&>(work).steps) step();
  }
  void run_or_record(std::function<void()> work) override {
    if (recording_ != nullptr)
      recording_->steps.push_back(std::move(work));
    else
      work();
  }

 private:
  // Where a real device's recording would break off.
  void refuse_recording(const char* what) {
    if (recording_ != nullptr) note_error(fail(Code::internal, info_.name, ": ", what, "() while work is recorded"));
  }
  static void move(void* to, const void* from, size_t bytes) {
    if (bytes > 0) std::memmove(to, from, bytes);
  }
  void check(const gpu::emulation::GuardedBytes& memory) {
    if (!memory.intact())
      note_error(
          fail(Code::internal, info_.name, ": something wrote outside of its ", memory.size(), " bytes of memory"));
  }
  std::map<void*, std::unique_ptr<gpu::emulation::GuardedBytes>> memory_;
  size_t used_ = 0;
  EmulatedGraph* recording_ = nullptr;
};

}  // namespace

std::shared_ptr<Device> open_emulated_device(const EmulatedDeviceOptions& options) {
  return std::make_shared<EmulatedDevice>(options);
}

}  // namespace gpen
