// gpen bench: times one network as it runs in `gpen restore`, from weights in a file.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "app/bench_network.h"
#include "app/bench_weights.h"
#include "app/command.h"
#include "app/compute_options.h"
#include "app/json_output.h"
#include "kernels/isa.h"
#include "pipeline/models.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::string model = "gpen-bfr-512", json;
  int batch = 1, reps = 5;
  bool layers = false;
  ComputeOptions compute;
};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// The largest resident set this process has had.
double peak_rss_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

void print_layers(const std::vector<std::vector<LayerTime>>& runs, FILE* to) {
  // GFLOP/s as of the plain convolutions, and of the multiplications that were really done.
  std::fprintf(to, "%-36s %9s %9s %9s %9s\n", "layer", "ms", "GFLOP", "GFLOP/s", "true");
  for (size_t i = 0; i < runs.front().size(); ++i) {
    std::vector<double> ms;
    for (const auto& run : runs) ms.push_back(run[i].ms);
    const LayerTime& layer = runs.front()[i];
    const double m = median(ms);
    const auto rate = [&](double gflop) { return m > 0 ? gflop / m * 1e3 : 0; };
    std::fprintf(to, "%-36s %9.3f %9.3f %9.1f %9.1f\n", layer.layer, m, layer.gflop, rate(layer.gflop),
                 rate(layer.true_gflop));
  }
}

struct Timing {
  std::vector<double> ms;
  std::vector<std::vector<LayerTime>> layers;
};

// First a run that plans the memory, on a device also one that records the work, and the check: finite values, and the
// same bits in the last run as in the first. The time on a device has the way of input and output in it.
Result<Timing> time_network(BenchNetwork& network, const BenchOptions& options, bool on_device) {
  Timing timing;
  GPEN_RETURN_IF_ERROR(network.forward(nullptr));
  const std::vector<float> first = network.output();
  for (const float v : first) {
    if (!std::isfinite(v)) return fail(Code::model, options.model, ": the network's output is not finite");
  }
  if (on_device) {
    std::vector<LayerTime> layers;  // a run that times its layers is planned by itself
    GPEN_RETURN_IF_ERROR(network.forward(options.layers ? &layers : nullptr));
  }
  for (int i = 0; i < options.reps; ++i) {
    std::vector<LayerTime> layers;
    const Clock::time_point start = Clock::now();
    GPEN_RETURN_IF_ERROR(network.forward(options.layers ? &layers : nullptr));
    timing.ms.push_back(ms_since(start));
    if (options.layers) timing.layers.push_back(std::move(layers));
  }
  if (network.output() != first) return fail(Code::internal, options.model, ": two runs gave different results");
  return timing;
}

std::string processor_text(const Processor& where) {
  if (where.device == nullptr) return concat("cpu (", isa_name(), ")");
  return concat(where.device->info().name, " (", where.device->info().model, ")");
}

Status bench(const BenchOptions& options) {
  GPEN_RETURN_IF_ERROR(options.compute.check());
  GPEN_RETURN_IF_ERROR(check_isa());
  const ScratchFolder scratch;
  GPEN_ASSIGN(const fs::path path, weights_file(options.model, scratch));
  GPEN_ASSIGN(const Processor where, options.compute.processor());

  const Clock::time_point start = Clock::now();
  std::unique_ptr<BenchNetwork> network;
  {
    GPEN_ASSIGN(const WeightStore store, open_model(path.string()));
    GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
    GPEN_RETURN_IF_ERROR(options.compute.check_precision(arch, where));
    GPEN_ASSIGN(network, BenchNetwork::load(store, where));
  }
  const double load_ms = ms_since(start);
  if (options.layers && !network->reports_layers())
    return fail(Code::usage, "--layers: ", options.model, " does not report its layers; GPEN networks do");
  GPEN_RETURN_IF_ERROR(network->prepare(options.batch));
  GPEN_ASSIGN(const Timing timing, time_network(*network, options, where.device != nullptr));

  const double min_ms = *std::min_element(timing.ms.begin(), timing.ms.end()), median_ms = median(timing.ms);
  const double rss = peak_rss_mb();
  Json result = {{"arch", options.model},
                 {"model", options.model},
                 {"device", where.device != nullptr ? where.device->info().name : "cpu"},
                 {"isa", isa_name()},
                 {"precision", options.compute.precision},
                 {"batch", options.batch},
                 {"threads", where.pool->size()},
                 {"reps", options.reps},
                 {"min_ms", min_ms},
                 {"median_ms", median_ms},
                 {"peak_rss_mb", rss},
                 {"load_ms", load_ms}};
  if (where.device != nullptr) result["device_model"] = where.device->info().model;
  const bool json_on_stdout = options.json == "-";
  FILE* text = json_on_stdout ? stderr : stdout;
  if (options.layers) print_layers(timing.layers, text);
  std::fprintf(text, "%s, input %s, %s, %s, %d threads: min %.1f ms, median %.1f ms, load %.0f ms, peak %.0f MB\n",
               options.model.c_str(), network->input_shape().c_str(), processor_text(where).c_str(),
               options.compute.precision.c_str(), where.pool->size(), min_ms, median_ms, load_ms, rss);
  return options.json.empty() ? Status() : write_json({{"results", Json::array({result})}}, options.json);
}

}  // namespace

void add_bench(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("bench", "Time one network");
  auto options = std::make_shared<BenchOptions>();
  sub->add_option(
      "-m,--model", options->model,
      "A model, or an architecture as for `gpen synth` (its formula weights are used); default gpen-bfr-512");
  sub->add_option("--batch", options->batch, "Images at once")->check(CLI::Range(1, 256));
  sub->add_option("--reps", options->reps, "Timed runs")->check(CLI::Range(1, 100000));
  sub->add_flag("--layers", options->layers, "Time of every layer (GPEN)");
  sub->add_option_function<std::vector<std::string>>(
         "--json",
         [options](const std::vector<std::string>& file) {
           options->json = file.empty() || file[0].empty() ? "-" : file[0];
         },
         "Write the results as JSON to this file; without a file, to stdout")
      ->expected(0, 1)
      ->type_name("[FILE]");
  options->compute.add_to(sub);
  on_chosen(sub, action, [options] { return bench(*options); });
}

}  // namespace gpen::app
