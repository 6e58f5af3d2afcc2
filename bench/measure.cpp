#include "bench/measure.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "kernels/isa.h"
#include "runtime/workspace.h"

namespace gpen::bench {

namespace {

// Calls fn(thread) once on every thread of the pool, all begun together; gives the seconds until the last is done.
template <class Fn>
double time_together(ThreadPool& pool, Fn&& fn) {
  const int threads = pool.size();
  std::atomic<int> arrived{0};
  std::vector<Clock::time_point> begin(static_cast<size_t>(threads)), end(begin);
  // A thread that waits takes no second item: each of them gets one, and the same memory in every call.
  pool.parallel_for(threads, [&](int64_t, int thread) {
    const size_t i = static_cast<size_t>(thread);
    arrived.fetch_add(1);
    while (arrived.load() < threads) std::this_thread::yield();
    begin[i] = Clock::now();
    fn(thread);
    end[i] = Clock::now();
  });
  return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                       *std::min_element(begin.begin(), begin.end()))
      .count();
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

// Twice the last-level cache, within reason.
size_t buffer_bytes() {
  constexpr long kLeast = 128L << 20, kMost = 1L << 30;
#ifdef _SC_LEVEL3_CACHE_SIZE
  return static_cast<size_t>(std::clamp(2 * sysconf(_SC_LEVEL3_CACHE_SIZE), kLeast, kMost));
#else
  return static_cast<size_t>(kLeast);
#endif
}

uint64_t sum_of(const uint64_t* p, size_t count) {
  uint64_t sum[8] = {};
  for (size_t i = 0; i + 8 <= count; i += 8)
    for (size_t k = 0; k < 8; ++k) sum[k] += p[i + k];
  uint64_t all = 0;
  for (const uint64_t s : sum) all += s;
  return all;
}

}  // namespace

double fma_peak(ThreadPool& pool, int runs) {
  const auto kernel = isa_kernels().fma_peak;
  // As many iterations as take about 30 ms.
  int64_t iterations = 1 << 16;
  for (double seconds = 0; iterations < int64_t{1} << 40; iterations *= 2) {
    const auto start = Clock::now();
    kernel(iterations);
    seconds = seconds_since(start);
    if (seconds > 0.015) {
      iterations = static_cast<int64_t>(static_cast<double>(iterations) * 0.03 / seconds);
      break;
    }
  }
  double best = 0;
  for (int r = 0; r < runs; ++r) {
    std::vector<double> operations(static_cast<size_t>(pool.size()));
    const double seconds =
        time_together(pool, [&](int64_t i) { operations[static_cast<size_t>(i)] = kernel(iterations); });
    double sum = 0;
    for (const double o : operations) sum += o;
    best = std::max(best, sum / seconds);
  }
  return best;
}

Result<Bandwidth> memory_bandwidth(ThreadPool& pool) {
  const size_t threads = static_cast<size_t>(pool.size());
  const size_t part = buffer_bytes() / threads / 64 * 64, bytes = part * threads;
  const AlignedBuffer from(bytes), to(bytes);
  if (from.data() == nullptr || to.data() == nullptr)
    return fail(Code::memory, "no memory for two buffers of ", bytes >> 20, " MB to measure the bandwidth with");
  auto* source = static_cast<uint8_t*>(from.data());
  auto* target = static_cast<uint8_t*>(to.data());
  auto at = [&](int64_t i) { return static_cast<size_t>(i) * part; };
  time_together(pool, [&](int64_t i) {  // the first touch, by the thread that uses it
    std::memset(source + at(i), 1, part);
    std::memset(target + at(i), 2, part);
  });
  Bandwidth best;
  std::vector<uint64_t> sums(threads);
  for (int r = 0; r < 5; ++r) {
    const double read = time_together(pool, [&](int64_t i) {
      sums[static_cast<size_t>(i)] = sum_of(reinterpret_cast<const uint64_t*>(source + at(i)), part / 8);
    });
    const double copy = time_together(pool, [&](int64_t i) { std::memcpy(target + at(i), source + at(i), part); });
    best.read = std::max(best.read, static_cast<double>(bytes) / read);
    best.copy = std::max(best.copy, 2 * static_cast<double>(bytes) / copy);
  }
  for (const uint64_t s : sums)  // also keeps the reads from being left out
    if (s != part / 8 * 0x0101010101010101u) return fail(Code::internal, "memory was read back wrong");
  return best;
}

Result<Machine> measure_machine(ThreadPool& pool) {
  Machine m;
  m.cpu = cpu_name();
  m.threads = pool.size();
  double load = 0;
  m.load = getloadavg(&load, 1) == 1 ? load : -1;
  ThreadPool one(1);
  m.peak_1 = fma_peak(one);
  m.peak = pool.size() == 1 ? m.peak_1 : fma_peak(pool);
  GPEN_ASSIGN(m.bandwidth, memory_bandwidth(pool));
  return m;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

Times summarise(const std::vector<double>& ms) { return {*std::min_element(ms.begin(), ms.end()), median(ms)}; }

}  // namespace gpen::bench
