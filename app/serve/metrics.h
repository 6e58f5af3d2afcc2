// Counters of the server, as Prometheus reads them (text format 0.0.4).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "app/serve/job.h"

namespace gpen::serve {

class Metrics {
 public:
  void count_request(const std::string& route, int status);
  void count_job(const Job& job);
  // One value of `name`; labels like `device="cpu"`, or empty.
  struct Gauge {
    std::string name, help, labels;
    double value = 0;
    bool counter = false;
  };
  std::string text(const std::vector<Gauge>& gauges) const;

 private:
  static constexpr std::array<double, 12> kBuckets = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::map<std::pair<std::string, std::string>, int64_t> jobs_;  // by kind and state
  std::map<std::string, double> stage_seconds_;
  int64_t faces_ = 0, seconds_count_ = 0;
  double seconds_sum_ = 0;
  std::array<int64_t, kBuckets.size()> seconds_{};  // not cumulative
};

// Bytes of this process that are in memory.
double resident_bytes();

}  // namespace gpen::serve
