#include "bench/gpu_timer.h"

#include "runtime/gpu/cuda_device.h"
#ifdef GPEN_BENCH_EMULATED
#include "runtime/gpu/emulated_device.h"
#endif

namespace gpen::bench {

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

Result<Times> times_of(DeviceTimer& timer, const std::function<void()>& work, int reps) {
  std::vector<double> all;
  for (int r = 0; r < reps; ++r) {
    GPEN_ASSIGN(const double one, timer.ms(work));
    all.push_back(one);
  }
  return summarise(all);
}

}  // namespace gpen::bench
