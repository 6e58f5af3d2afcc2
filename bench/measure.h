// The ceilings of the machine, measured in the same run as what is compared with them, and summaries of times.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen::bench {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Floating-point operations per second (a fused multiply-add is two) that all threads of the pool reach together in
// registers, with the instruction set in use: the best of `runs` of about 30 ms.
double fma_peak(ThreadPool& pool, int runs = 5);

struct Bandwidth {
  double read = 0, copy = 0;  // bytes per second; a copied byte is read and written, and counts twice
};
// Of all threads, over buffers that no cache holds. Code::memory when there is no room for them.
Result<Bandwidth> memory_bandwidth(ThreadPool& pool);

struct Machine {
  std::string cpu;
  int threads = 0;
  double load = 0;              // runnable processes (one minute) before the run; negative: unknown
  double peak_1 = 0, peak = 0;  // multiply-add peak of one thread and of all
  Bandwidth bandwidth;
};
Result<Machine> measure_machine(ThreadPool& pool);

struct Times {
  double min_ms = 0, median_ms = 0;
};
double median(std::vector<double> values);
Times summarise(const std::vector<double>& ms);

}  // namespace gpen::bench
