// The devices of the benchmarks, and summaries of the times on them.
#pragma once
#include <memory>
#include <string>

#include "bench/measure.h"
#include "runtime/device_timer.h"

namespace gpen::bench {

// "cuda:N"; also "emulated" where the tests are built: results are checked, times are those of the host and mean
// nothing. Code::usage for another name, Code::device as open_cuda_device().
Result<std::shared_ptr<Device>> open_bench_device(const std::string& name);
bool is_emulated(const Device& device);

// Over `reps` of timer.ms().
Result<Times> times_of(DeviceTimer& timer, const std::function<void()>& work, int reps);

}  // namespace gpen::bench
