#include "bench/gpu_timer.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>

#include "runtime/gpu/cuda_device.h"
#ifdef GPEN_BENCH_EMULATED
#include "runtime/gpu/emulated_device.h"
#endif

namespace gpen::bench {

namespace {

constexpr int kRuns = 4;                     // in a row, when not cold
constexpr size_t kFill = size_t{256} << 20;  // more than any level-2 cache holds
constexpr double kPlugMs = 0.5;

cudaStream_t stream_of(Device& device) { return static_cast<cudaStream_t>(device.native_stream()); }

void note(Device& device, cudaError_t error, const char* call) {
  if (error != cudaSuccess) device.note_error(fail(Code::device, call, ": ", cudaGetErrorString(error)));
}

void record_event(Device& device, void* event) {
  note(device, cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(device)), "cudaEventRecord");
}

Result<std::shared_ptr<void>> make_event() {
  cudaEvent_t event = nullptr;
  if (const cudaError_t error = cudaEventCreate(&event); error != cudaSuccess)
    return fail(Code::device, "cudaEventCreate: ", cudaGetErrorString(error));
  return std::shared_ptr<void>(event, [](void* e) { (void)cudaEventDestroy(static_cast<cudaEvent_t>(e)); });
}

}  // namespace

Result<std::shared_ptr<Device>> open_bench_device(const std::string& name) {
#ifdef GPEN_BENCH_EMULATED
  if (name == "emulated") return open_emulated_device();
#endif
  const std::string prefix = "cuda:", number = name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : "";
  const bool digits = number.find_first_not_of("0123456789") == std::string::npos;
  if (number.empty() || !digits || number.size() > 3)
    return fail(Code::usage, "--device ", name, ": cuda:N is expected");
  return open_cuda_device(std::stoi(number));
}

bool is_emulated(const Device& device) { return device.info().name == "emulated"; }

Result<EventPair> EventPair::make(std::shared_ptr<Device> device) {
  EventPair pair;
  if (!is_emulated(*device)) {
    (void)device->native_stream();  // makes it the current device, to which events belong
    GPEN_ASSIGN(pair.begin_, make_event());
    GPEN_ASSIGN(pair.end_, make_event());
  }
  pair.device_ = std::move(device);
  return pair;
}

void EventPair::begin() {
  if (begin_ == nullptr)
    host_begin_ = Clock::now();
  else
    record_event(*device_, begin_.get());
}

void EventPair::end() {
  if (end_ == nullptr)
    host_end_ = Clock::now();
  else
    record_event(*device_, end_.get());
}

Result<double> EventPair::ms() {
  GPEN_RETURN_IF_ERROR(device_->finish());
  if (begin_ == nullptr) return std::chrono::duration<double, std::milli>(host_end_ - host_begin_).count();
  float ms = 0;
  const cudaError_t error =
      cudaEventElapsedTime(&ms, static_cast<cudaEvent_t>(begin_.get()), static_cast<cudaEvent_t>(end_.get()));
  if (error != cudaSuccess) return fail(Code::device, "cudaEventElapsedTime: ", cudaGetErrorString(error));
  return static_cast<double>(ms);
}

Result<DeviceTimer> DeviceTimer::make(std::shared_ptr<Device> device, bool cold) {
  DeviceTimer timer;
  timer.device_ = device;
  timer.cold_ = cold;
  GPEN_ASSIGN(timer.events_, EventPair::make(device));
  if (is_emulated(*device)) return timer;
  GPEN_ASSIGN(timer.memory_, DeviceBuffer::make(device, kFill));
  double ms = 0;
  for (int i = 0; i < 3; ++i) {  // the first one takes longer
    timer.events_.begin();
    device->clear(timer.memory_.data(), kFill);
    timer.events_.end();
    GPEN_ASSIGN(ms, timer.events_.ms());
  }
  timer.fills_ = static_cast<int>(std::clamp(std::ceil(kPlugMs / std::max(ms, 1e-3)), 1.0, 100.0));
  return timer;
}

void DeviceTimer::plug() {
  for (int i = 0; i < fills_; ++i) device_->clear(memory_.data(), kFill);
}

Result<double> DeviceTimer::ms(const std::function<void()>& work) {
  const int runs = cold_ || is_emulated(*device_) ? 1 : kRuns;
  plug();
  if (runs > 1) work();
  events_.begin();
  for (int i = 0; i < runs; ++i) work();
  events_.end();
  GPEN_ASSIGN(const double ms, events_.ms());
  return ms / runs;
}

Result<Times> DeviceTimer::times(const std::function<void()>& work, int reps) {
  std::vector<double> all;
  for (int r = 0; r < reps; ++r) {
    GPEN_ASSIGN(const double one, ms(work));
    all.push_back(one);
  }
  return summarise(all);
}

ReplayTimer::ReplayTimer(std::shared_ptr<Device> device) : device_(std::move(device)) {
  info_ = device_->info();
  kernels_ = &device_->kernels();
  counters_ = device_->counters();
}

Result<std::shared_ptr<ReplayTimer>> ReplayTimer::make(std::shared_ptr<Device> device) {
  GPEN_ASSIGN(EventPair events, EventPair::make(device));
  std::shared_ptr<ReplayTimer> timer(new ReplayTimer(std::move(device)));
  timer->events_ = std::move(events);
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
  events_.begin();
  device_->replay(work);
  events_.end();
}

}  // namespace gpen::bench
