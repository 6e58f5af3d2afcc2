// Compiled when a CUDA toolkit is there; cuda_device_none.cpp stands in otherwise. The CUDA runtime is linked
// statically and loads the driver (libcuda.so.1) when it is first called.
#include "runtime/gpu/cuda_device.h"

#include <cuda_runtime_api.h>

namespace gpen {

namespace cuda {
const GpuKernels& gpu_kernels();  // kernels/gpu_kernels.cu
}

namespace {

// "cudaMalloc(...): out of memory (cuda_device.cpp:42)", and what code it has.
Status cuda_error(cudaError_t error, const char* expression, int line) {
  const Code code = error == cudaErrorMemoryAllocation ? Code::memory : Code::device;
  return fail(code, expression, ": ", cudaGetErrorString(error), " (cuda_device.cpp:", line, ")");
}
#define GPEN_CUDA_NOTE(expression)                                                                   \
  do {                                                                                               \
    const cudaError_t error_ = (expression);                                                         \
    if (error_ != cudaSuccess) note_error(cuda_error(error_, #expression, __LINE__).in(info_.name)); \
  } while (0)
#define GPEN_CUDA_RETURN(expression)                                             \
  do {                                                                           \
    const cudaError_t error_ = (expression);                                     \
    if (error_ != cudaSuccess) return cuda_error(error_, #expression, __LINE__); \
  } while (0)

// Why no device can be used, in words; an empty string when the call succeeded.
std::string reason(cudaError_t error) {
  if (error == cudaSuccess) return "";
  if (error == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    const auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
    if (driver == 0) return "no NVIDIA driver is installed (libcuda.so.1 cannot be loaded)";
    return "the NVIDIA driver supports CUDA " + version(driver) + ", this build needs " + version(runtime) +
           "; a newer driver is needed";
  }
  if (error == cudaErrorNoDevice) return "the NVIDIA driver finds no device";
  return cudaGetErrorString(error);
}

Result<DeviceInfo> info_of(int index) {
  cudaDeviceProp properties{};
  GPEN_CUDA_RETURN(cudaGetDeviceProperties(&properties, index));
  DeviceInfo info;
  info.name = "cuda:" + std::to_string(index);
  info.model = properties.name;
  info.capability = properties.major * 10 + properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.memory_bytes = properties.totalGlobalMem;
  info.shared_bytes = properties.sharedMemPerBlockOptin;
  return info;
}

struct CudaGraph : RecordedWork {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ~CudaGraph() override {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
};

class CudaClock : public DeviceClock {
 public:
  CudaClock(Device& device, cudaStream_t stream) : device_(device), stream_(stream) {}
  ~CudaClock() override {
    if (begin_ != nullptr) cudaEventDestroy(begin_);
    if (end_ != nullptr) cudaEventDestroy(end_);
  }
  Status make() {
    GPEN_CUDA_RETURN(cudaEventCreate(&begin_));
    GPEN_CUDA_RETURN(cudaEventCreate(&end_));
    return Status();
  }
  void begin() override { mark(begin_); }
  void end() override { mark(end_); }
  Result<double> ms() override {
    GPEN_RETURN_IF_ERROR(device_.finish());
    float ms = 0;
    GPEN_CUDA_RETURN(cudaEventElapsedTime(&ms, begin_, end_));
    return static_cast<double>(ms);
  }

 private:
  void mark(cudaEvent_t event) {
    (void)device_.native_stream();  // makes it the current device
    if (const cudaError_t error = cudaEventRecord(event, stream_); error != cudaSuccess)
      device_.note_error(cuda_error(error, "cudaEventRecord", __LINE__).in(device_.info().name));
  }
  Device& device_;
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

class CudaDevice : public Device {
 public:
  CudaDevice(int index, DeviceInfo info) : index_(index) {
    info_ = std::move(info);
    kernels_ = &cuda::gpu_kernels();
  }
  ~CudaDevice() override {
    cudaSetDevice(index_);
    if (counters_ != nullptr) cudaFree(counters_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  Status open() {
    GPEN_CUDA_RETURN(cudaSetDevice(index_));
    GPEN_CUDA_RETURN(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    void* counters = nullptr;
    GPEN_CUDA_RETURN(cudaMalloc(&counters, kCounters * sizeof(unsigned)));
    counters_ = static_cast<unsigned*>(counters);
    GPEN_CUDA_RETURN(cudaMemsetAsync(counters_, 0, kCounters * sizeof(unsigned), stream_));
    return Status();
  }

  Result<void*> allocate(size_t bytes) override {
    use();
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaSuccess) return memory;
    (void)cudaGetLastError();  // not sticky
    if (error != cudaErrorMemoryAllocation)
      return cuda_error(error, "cudaMalloc(&memory, bytes)", __LINE__).in(info_.name);
    return fail(Code::memory, info_.name, ": cannot allocate ", (bytes >> 20) + 1, " MiB, ", free_bytes() >> 20,
                " MiB are free");
  }
  void release(void* memory) override {
    use();
    GPEN_CUDA_NOTE(cudaStreamSynchronize(stream_));  // work that uses it may still be queued
    GPEN_CUDA_NOTE(cudaFree(memory));
  }
  // Waits: when the source of a copy from pageable memory has been read is not specified otherwise.
  void upload(void* to, const void* from, size_t bytes) override {
    use();
    traffic_.up += bytes;
    GPEN_CUDA_NOTE(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
    GPEN_CUDA_NOTE(cudaStreamSynchronize(stream_));
  }
  void download(void* to, const void* from, size_t bytes) override {
    use();
    traffic_.down += bytes;
    GPEN_CUDA_NOTE(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
    GPEN_CUDA_NOTE(cudaStreamSynchronize(stream_));
  }
  void copy(void* to, const void* from, size_t bytes) override {
    use();
    GPEN_CUDA_NOTE(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
  }
  void clear(void* memory, size_t bytes) override {
    use();
    GPEN_CUDA_NOTE(cudaMemsetAsync(memory, 0, bytes, stream_));
  }
  Status finish() override {
    use();
    GPEN_CUDA_NOTE(cudaStreamSynchronize(stream_));
    return take_error();
  }
  size_t free_bytes() override {
    use();
    size_t free = 0, total = 0;
    GPEN_CUDA_NOTE(cudaMemGetInfo(&free, &total));
    return free;
  }

  Result<std::unique_ptr<RecordedWork>> record(const std::function<void()>& work) override {
    use();
    auto graph = std::make_unique<CudaGraph>();
    GPEN_CUDA_RETURN(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    try {
      work();
    } catch (...) {  // out of memory on the host: the stream must not go on recording
      cudaStreamEndCapture(stream_, &graph->graph);
      throw;
    }
    GPEN_CUDA_NOTE(cudaStreamEndCapture(stream_, &graph->graph));
    GPEN_RETURN_IF_ERROR(take_error());
    GPEN_CUDA_RETURN(cudaGraphInstantiate(&graph->executable, graph->graph, 0));
    return Result<std::unique_ptr<RecordedWork>>(std::move(graph));
  }
  void replay(const RecordedWork& work) override {
    use();
    GPEN_CUDA_NOTE(cudaGraphLaunch(static_cast<const CudaGraph&>(work).executable, stream_));
  }

  Result<std::unique_ptr<DeviceClock>> make_clock() override {
    use();
    auto clock = std::make_unique<CudaClock>(*this, stream_);
    GPEN_RETURN_IF_ERROR(clock->make());
    return Result<std::unique_ptr<DeviceClock>>(std::move(clock));
  }

  void* native_stream() override {
    use();
    return stream_;
  }

 private:
  // The device in use belongs to the calling thread.
  void use() { GPEN_CUDA_NOTE(cudaSetDevice(index_)); }
  int index_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

bool has_cuda_backend() { return true; }

Result<std::vector<DeviceInfo>> list_cuda_devices() {
  int count = 0;
  if (const std::string why = reason(cudaGetDeviceCount(&count)); !why.empty()) return fail(Code::device, why);
  if (count == 0) return fail(Code::device, "the NVIDIA driver finds no device");
  std::vector<DeviceInfo> devices;
  for (int i = 0; i < count; ++i) {
    Result<DeviceInfo> info = info_of(i);
    if (!info.ok()) {  // a broken one does not take the others away; it is too old to be opened (capability 0)
      info = DeviceInfo();
      info->name = "cuda:" + std::to_string(i);
      info->model = "not usable: " + std::string(cudaGetErrorString(cudaGetLastError()));
    }
    devices.push_back(std::move(*info));
  }
  return devices;
}

Result<std::shared_ptr<Device>> open_cuda_device(int index) {
  GPEN_ASSIGN(const std::vector<DeviceInfo> devices, list_cuda_devices());
  if (index < 0 || static_cast<size_t>(index) >= devices.size())
    return fail(Code::device, "there is no cuda:", index, "; the driver has ", devices.size(), " device(s)");
  const DeviceInfo& info = devices[static_cast<size_t>(index)];
  if (info.capability < kOldestCudaCapability)
    return fail(Code::device, info.name, " (", info.model, ") is sm_", info.capability, "; sm_", kOldestCudaCapability,
                " or newer is needed");
  int together = 0;
  GPEN_CUDA_RETURN(cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, index));
  if (together == 0) return fail(Code::device, info.name, " (", info.model, ") cannot launch cooperative kernels");
  auto device = std::make_shared<CudaDevice>(index, info);
  GPEN_RETURN_IF_ERROR(device->open().in(info.name));
  return Result<std::shared_ptr<Device>>(std::move(device));
}

}  // namespace gpen
