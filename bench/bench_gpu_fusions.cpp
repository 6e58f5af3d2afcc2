// Times the fusions of the device's convolutions against the kernels they replace: the blur of the encoder's
// convolutions, and to_rgb behind the decoder's. Every result is checked before it is timed.
#include <algorithm>
#include <cmath>

#include "bench/gpu_layer.h"
#include "bench/gpu_options.h"

namespace gpen::bench {
namespace {

struct FusionOptions : GpuOptions {
  std::string problems = std::string(GPEN_SOURCE_DIR) + "/bench/problems/gpen_512.txt";
  int64_t most_channels = 256;
  int batch = 1;
};

struct Way {
  ConvPlan plan;
  bool automatic = false;
  const char* fusion = "-";
};

bool fused(const ConvPlan& plan) { return plan.blur_in_load || plan.rgb_in_epilogue; }

// The best plan without fusions as the model sees it, then the same and every other tile that allows the fusion.
std::vector<Way> ways_of(ConvWork work, const DeviceInfo& device) {
  force_conv_plan(std::nullopt);
  const ConvPlan automatic = estimate_plan(work, device);
  ConvWork plain = work;
  plain.blur = plain.rgb = false;
  std::vector<Way> ways = {
      {estimate_plan(plain, device), !fused(automatic), work.rgb ? "to_rgb behind" : "blur before"}};
  for (const ConvPlan& plan : candidate_plans(work, device))
    if (fused(plan)) ways.push_back({plan, plan == automatic, work.rgb ? "to_rgb in epilogue" : "blur in load"});
  return ways;
}

class Bench {
 public:
  Bench(const FusionOptions& options, std::shared_ptr<Device> device, DeviceTimer timer)
      : options_(options), device_(device), timer_(std::move(timer)), pool_(options.threads) {}

  Status problem(const Problem& p, Precision precision) {
    GPEN_ASSIGN(LayerData data, make_layer_data(p, false, pool_));
    GPEN_ASSIGN(GpuLayer layer, GpuLayer::make(data, device_, precision, options_.batch, pool_));
    const std::vector<Sample> samples = reference_samples(data);
    const bool rgb = p.kind == Kind::conv;
    if (rgb) GPEN_RETURN_IF_ERROR(layer.add_rgb(false));
    const std::vector<Way> ways = ways_of(layer.work(), device_->info());
    if (ways.size() == 1) return Status();
    std::vector<float> planes;
    double before = 0;
    for (const Way& way : ways) {
      force_conv_plan(way.plan);
      if (rgb) GPEN_RETURN_IF_ERROR(layer.add_rgb(false));
      GPEN_RETURN_IF_ERROR(layer.plan());
      GPEN_RETURN_IF_ERROR(check(layer, samples, p, precision, rgb ? &planes : nullptr));
      GPEN_ASSIGN(const Times times, time(layer));
      if (&way == &ways.front()) before = times.median_ms;
      print(p, precision, way, way.fusion, times, before);
      if (!way.plan.rgb_in_epilogue) continue;
      GPEN_RETURN_IF_ERROR(layer.add_rgb(true));
      GPEN_RETURN_IF_ERROR(layer.plan());
      GPEN_ASSIGN(const Times alone, time(layer));
      print(p, precision, way, "and y not stored", alone, before);
    }
    force_conv_plan(std::nullopt);
    return Status();
  }

  Status finish() {
    if (options_.json.empty()) return Status();
    return write_json({{"device", bench::to_json(device_->info())}, {"batch", options_.batch}, {"results", rows_}},
                      options_.json);
  }

 private:
  Result<Times> time(GpuLayer& layer) {
    return times_of(
        timer_, [&] { layer.run(); }, options_.reps);
  }
  // The convolution against double precision; the planes of to_rgb against those of the first way.
  Status check(GpuLayer& layer, const std::vector<Sample>& samples, const Problem& p, Precision precision,
               std::vector<float>* planes) {
    const double limit = device_error_limit(p, precision);
    GPEN_ASSIGN(const double error, layer.error(samples));
    if (!(error < limit)) return fail(Code::internal, "is wrong: error ", error, ", at most ", limit, " is expected");
    if (planes == nullptr) return Status();
    GPEN_ASSIGN(std::vector<float> now, layer.rgb());
    if (planes->empty()) *planes = now;
    double most = 0, square = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      const double difference = std::fabs(double{now[i]} - (*planes)[i]);
      most = difference <= most ? most : difference;  // NaN too
      square += double{now[i]} * now[i];
    }
    const double apart = most / std::sqrt(square / static_cast<double>(now.size()));
    if (!(apart < limit)) return fail(Code::internal, "to_rgb is wrong: ", apart, " apart, at most ", limit);
    return Status();
  }
  void print(const Problem& p, Precision precision, const Way& way, const char* fusion, const Times& times,
             double before) {
    std::fprintf(options_.text(), "%-9s %-9s %-8s %2d %-20s %9.4f %9.4f %6.1f%%%s\n", p.name.c_str(),
                 name_of(precision), shape_of(way.plan.tile).name, way.plan.splits, fusion, times.min_ms,
                 times.median_ms, 100 * times.median_ms / before, way.automatic ? " *" : "");
    std::fflush(options_.text());
    rows_.push_back({{"layer", p.name},
                     {"precision", name_of(precision)},
                     {"tile", shape_of(way.plan.tile).name},
                     {"splits", way.plan.splits},
                     {"fusion", fusion},
                     {"automatic", way.automatic},
                     {"min_ms", times.min_ms},
                     {"median_ms", times.median_ms}});
  }

  const FusionOptions& options_;
  std::shared_ptr<Device> device_;
  DeviceTimer timer_;
  ThreadPool pool_;
  Json rows_ = Json::array();
};

Status bench(const FusionOptions& options) {
  GPEN_ASSIGN(std::vector<Problem> problems, read_problems(options.problems));
  std::erase_if(problems, [&](const Problem& p) {
    const bool rgb_follows = p.kind == Kind::conv && p.feature == p.out && p.in == 2 * p.out;
    return p.out > options.most_channels || (p.kind != Kind::down && !rgb_follows);
  });
  if (problems.empty())
    return fail(Code::usage, options.problems, ": no layer with a fusion and at most ", options.most_channels,
                " output channels");
  GPEN_ASSIGN(const std::shared_ptr<Device> device, open_bench_device(options.device));
  GPEN_ASSIGN(DeviceTimer timer, DeviceTimer::make(device, false));
  print_device(options.text(), *device);
  std::fprintf(options.text(), "batch %d; *: what is chosen\n%-9s %-9s %-11s %-20s %9s %9s %7s\n", options.batch,
               "layer", "precision", "tile splits", "", "min ms", "median", "before");
  Bench bench(options, device, std::move(timer));
  for (const Precision precision : options.precisions)
    for (Problem p : problems) {
      p.stem = false;  // a device reads the stem's tensor
      GPEN_RETURN_IF_ERROR(bench.problem(p, precision).in(concat(p.name, ", ", name_of(precision))));
    }
  return bench.finish();
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times fused convolutions of a network on a device against the kernels that they replace.",
               "bench_gpu_fusions"};
  FusionOptions options;
  options.add_to(&app);
  app.add_option("--problems", options.problems, "File of problems (bench/problems)")->capture_default_str();
  app.add_option("--channels", options.most_channels, "Layers with at most so many output channels")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Images at once")->check(CLI::Range(1, 256))->capture_default_str();
  return run_program(app, argc, argv, [&] { return bench(options); });
}
