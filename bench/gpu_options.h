// What the benchmarks of devices have in common: options, the device, and the rate of its matrix units.
#pragma once
#include <optional>

#include "bench/gpu_timer.h"
#include "bench/options.h"
#include "bench/report.h"

namespace gpen::bench {

// All precisions, in the order of the tables.
inline constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                            Precision::fp16_fast};

struct GpuOptions {
  std::string device = "cuda:0", json;
  int threads = 0, reps = 11;
  std::vector<Precision> precisions = {Precision::fp16};

  void add_to(CLI::App* app);
  FILE* text() const { return json == "-" ? stderr : stdout; }
};

// Floating-point operations per second of cuBLAS's matrix product in a precision, measured when it is first asked for;
// nothing without cuBLAS or on an emulated device.
class MatrixRate {
 public:
  explicit MatrixRate(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  Result<std::optional<double>> of(Precision precision);

 private:
  std::shared_ptr<Device> device_;
  std::optional<double> rates_[std::size(kPrecisions)];
};

// "72%", or "-" where there is no rate.
std::string percent_of(double flops, std::optional<double> rate);
void print_device(FILE* to, Device& device);
Json to_json(const DeviceInfo& info);

}  // namespace gpen::bench
