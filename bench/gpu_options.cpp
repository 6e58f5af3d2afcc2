#include "bench/gpu_options.h"

#include <cmath>

#include "bench/peer_cublas.h"

namespace gpen::bench {

void GpuOptions::add_to(CLI::App* app) {
  app->add_option("--device", device, "cuda:N")->capture_default_str();
  app->add_option("--threads", threads, "Threads that pack and check; 0: all that this process may use")
      ->check(CLI::Range(0, 1024));
  app->add_option("--reps", reps, "Timed repetitions")->check(CLI::Range(1, 100000))->capture_default_str();
  app->add_option("--json", json, "Write the results to this file; -: to stdout, and the table to stderr");
  std::vector<std::string> names;
  for (const Precision p : kPrecisions) names.emplace_back(name_of(p));
  app->add_option_function<std::vector<std::string>>(
         "--precision",
         [this](const std::vector<std::string>& chosen) {
           precisions.clear();
           for (const std::string& name : chosen)
             for (const Precision p : kPrecisions)
               if (name == name_of(p)) precisions.push_back(p);
         },
         "fp32, tf32, bf16, fp16 (default), fp16-fast; several with commas")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
}

Result<std::optional<double>> MatrixRate::of(Precision precision) {
  std::optional<double>& rate = rates_[static_cast<size_t>(precision)];
  if (rate.has_value() || is_emulated(*device_) || cublas_version().empty()) return rate;
  GPEN_ASSIGN(rate, cublas_rate(device_, precision));
  return rate;
}

std::string percent_of(double flops, std::optional<double> rate) {
  if (!rate.has_value()) return "-";
  return concat(std::lround(100 * flops / *rate), "%");
}

void print_device(FILE* to, Device& device) {
  const DeviceInfo& i = device.info();
  std::fprintf(to, "%s: %s, sm_%d, %d multiprocessors, %zu MiB of %zu MiB free\n", i.name.c_str(), i.model.c_str(),
               i.capability, i.multiprocessors, device.free_bytes() >> 20, i.memory_bytes >> 20);
  if (is_emulated(device)) std::fprintf(to, "emulated on the host: results are checked, times mean nothing\n");
}

Json to_json(const DeviceInfo& info) {
  return {{"name", info.name},
          {"model", info.model},
          {"capability", info.capability},
          {"multiprocessors", info.multiprocessors},
          {"memory_bytes", info.memory_bytes},
          {"cublas", cublas_version()}};
}

}  // namespace gpen::bench
