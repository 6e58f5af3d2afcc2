#include "app/compute_options.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>

namespace gpen::app {

void ComputeOptions::add_to(CLI::App* sub) {
  sub->add_option("--device", device, "auto, cpu, cuda or cuda:N")->group("Computing");
  sub->add_option("--precision", precision,
                  "fp32; bf16: a GPEN's decoder, its weights in half the memory; tf32 and fp16 need a GPU")
      ->group("Computing");
  sub->add_option("-j,--threads", threads, "Threads (default: all that this process may use)")
      ->check(CLI::Range(1, 1024))
      ->group("Computing");
}

Status ComputeOptions::check() const {
  const std::string cuda = "cuda:";
  const bool numbered = device.rfind(cuda, 0) == 0 && device.size() > cuda.size() &&
                        std::all_of(device.begin() + static_cast<ptrdiff_t>(cuda.size()), device.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  if (device == "cuda" || numbered) {
    const CudaDriver driver = probe_cuda_driver();
    return fail(Code::device, "--device ", device, ": this build has no CUDA backend",
                driver.usable ? "" : ", and there is no usable CUDA driver (" + driver.reason + ")",
                "; use --device cpu");
  }
  if (device != "auto" && device != "cpu")
    return fail(Code::usage, "--device ", device, ": expected auto, cpu, cuda or cuda:N");
  if (precision == "tf32" || precision == "fp16")
    return fail(Code::device, "--precision ", precision, ": the CPU computes in fp32 or bf16");
  if (precision != "fp32" && precision != "bf16")
    return fail(Code::usage, "--precision ", precision, ": expected fp32, tf32, bf16 or fp16");
  return {};
}

Status ComputeOptions::check_fp32(const std::string& what) const {
  if (precision == "fp32") return {};
  return fail(Code::usage, "--precision ", precision, ": only a GPEN computes in it, not ", what);
}

namespace {

template <class Fn>
Fn symbol(void* library, const char* name) {
  return reinterpret_cast<Fn>(dlsym(library, name));
}

}  // namespace

CudaDriver probe_cuda_driver() {
  CudaDriver driver;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    driver.reason = "libcuda.so.1 is not installed";
    return driver;
  }
  driver.library = true;
  const auto init = symbol<int (*)(unsigned)>(library, "cuInit");
  const auto count = symbol<int (*)(int*)>(library, "cuDeviceGetCount");
  const auto get = symbol<int (*)(int*, int)>(library, "cuDeviceGet");
  const auto name = symbol<int (*)(char*, int, int)>(library, "cuDeviceGetName");
  if (init == nullptr || count == nullptr || get == nullptr || name == nullptr) {
    driver.reason = "libcuda.so.1 lacks the driver's functions";
  } else if (const int error = init(0); error != 0) {
    driver.reason = "cuInit failed with error " + std::to_string(error);
  } else if (const int count_error = count(&driver.devices); count_error != 0 || driver.devices == 0) {
    driver.reason = "no CUDA device";
  } else {
    driver.usable = true;
    for (int i = 0; i < driver.devices; ++i) {
      int device = 0;
      char text[256] = {};
      if (get(&device, i) == 0 && name(text, sizeof(text) - 1, device) == 0) driver.names.emplace_back(text);
    }
  }
  dlclose(library);
  return driver;
}

}  // namespace gpen::app
