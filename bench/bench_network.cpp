// Times a whole GPEN with formula weights beside the ceilings of the machine measured in the same run. Its output is
// checked first: against a golden file, or against the same network on another instruction set.
#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "kernels/isa.h"
#include "layers/gpen.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::bench {
namespace {

// Of the largest value. bf16 keeps 8 bits of every factor; formula weights amplify that little over the layers.
double tolerance(Precision precision) { return precision == Precision::bf16 ? 3e-2 : 2e-5; }

struct NetworkOptions : Options {
  int size = 512;
  std::string golden;  // empty: another instruction set is the judge
};

class Network {
 public:
  static Result<Network> load(const WeightStore& weights, std::shared_ptr<ThreadPool> pool, int size,
                              Precision precision) {
    GPEN_ASSIGN(GpenNet net, GpenNet::load(weights, {std::move(pool), precision}));
    return Network(std::move(net), size);
  }
  Status forward(std::vector<LayerTime>* times) {
    GpenNet::Extra extra;
    extra.times = times;
    return net_.forward(make_view(input_.data(), 1, 3, size_, size_), make_view(output.data(), 1, 3, size_, size_), 0,
                        &extra);
  }
  // Weights and activations: what the network occupies.
  size_t bytes() const { return net_.weight_bytes() + net_.arena_bytes(); }
  size_t weight_bytes() const { return net_.weight_bytes(); }

  std::vector<float> output;

 private:
  Network(GpenNet net, int size) : net_(std::move(net)), size_(size) {
    const int64_t count = int64_t{3} * size * size;
    input_ = formula_tensor(concat("gpen_bfr_", size, ".input"), count, 1);
    output.assign(static_cast<size_t>(count), std::numeric_limits<float>::quiet_NaN());
  }
  GpenNet net_;
  std::vector<float> input_;
  int size_;
};

// Largest difference over the largest value; infinite when a value is not finite.
double relative_error(const std::vector<float>& expected, const std::vector<float>& actual) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(static_cast<double>(expected[i]) - actual[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return worst / largest;
}

struct Judge {
  std::string name;
  std::vector<float> output;
};

Result<Judge> make_judge(const NetworkOptions& options, const WeightStore& weights, std::shared_ptr<ThreadPool> pool) {
  if (!options.golden.empty()) {
    GPEN_ASSIGN(const WeightStore golden, open_safetensors(options.golden));
    GPEN_ASSIGN(std::vector<float> output, golden.floats("output", {1, 3, options.size, options.size}));
    return Judge{options.golden, std::move(output)};
  }
  const std::string mine = isa_name();
  std::string other;
  for (const std::string& name : available_isas())
    if (name != mine && other.empty()) other = name;
  if (other.empty())
    return fail(Code::usage, "there is no instruction set besides ", mine, " to check it with; give --golden FILE");
  GPEN_RETURN_IF_ERROR(force_isa(other));
  Result<Network> network = Network::load(weights, std::move(pool), options.size, Precision::fp32);
  GPEN_RETURN_IF_ERROR(force_isa(mine));
  GPEN_RETURN_IF_ERROR(network.status());
  GPEN_RETURN_IF_ERROR(network->forward(nullptr));
  return Judge{other, std::move(network->output)};
}

struct Part {
  std::string name;
  double ms, gflop, true_gflop;
};

// The parts of one name together, in the order of their first ones; the median over the repetitions.
std::vector<Part> summarise_parts(const std::vector<std::vector<LayerTime>>& runs) {
  std::vector<Part> parts;
  std::vector<std::vector<double>> ms;  // of each part, by repetition
  for (size_t r = 0; r < runs.size(); ++r)
    for (const LayerTime& t : runs[r]) {
      const auto same = [&](const Part& p) { return p.name == t.layer; };
      const auto i = static_cast<size_t>(std::find_if(parts.begin(), parts.end(), same) - parts.begin());
      if (i == parts.size()) {
        parts.push_back({t.layer, 0, 0, 0});
        ms.emplace_back(runs.size(), 0.0);
      }
      ms[i][r] += t.ms;
      if (r > 0) continue;
      parts[i].gflop += t.gflop;
      parts[i].true_gflop += t.true_gflop;
    }
  for (size_t i = 0; i < parts.size(); ++i) parts[i].ms = median(ms[i]);
  return parts;
}

Status bench(const NetworkOptions& options) {
  GPEN_RETURN_IF_ERROR(options.take_isa());
  const std::string spec = concat("gpen-bfr-", options.size), precision = name_of(options.precision);
  GPEN_ASSIGN(const Architecture arch, parse_architecture(spec));
  const auto pool = std::make_shared<ThreadPool>(options.threads);
  FILE* text = options.text();
  GPEN_ASSIGN(const Machine machine, measure_machine(*pool));
  print_machine(text, machine);

  GPEN_ASSIGN(const WeightStore weights, synthesize(arch, SynthKind::formula, "", pool.get()));
  GPEN_ASSIGN(const Judge judge, make_judge(options, weights, pool));
  GPEN_ASSIGN(Network network, Network::load(weights, pool, options.size, options.precision));
  GPEN_RETURN_IF_ERROR(network.forward(nullptr));
  const double error = relative_error(judge.output, network.output);
  if (!(error <= tolerance(options.precision)))
    return fail(Code::internal, spec, " is wrong: it differs from ", judge.name, " by ", error,
                " of the largest value");

  std::vector<double> ms;
  std::vector<std::vector<LayerTime>> runs;
  for (int r = 0; r < options.reps; ++r) {
    std::vector<LayerTime> parts;
    const auto start = Clock::now();
    GPEN_RETURN_IF_ERROR(network.forward(&parts));
    ms.push_back(1e3 * seconds_since(start));
    runs.push_back(std::move(parts));
  }
  const Times times = summarise(ms);
  const std::vector<Part> parts = summarise_parts(runs);
  double gflop = 0, true_gflop = 0;
  Json layers = Json::array();
  std::fprintf(text, "%-32s %9s %9s %9s %8s %9s %8s\n", "part", "median", "GFLOP", "direct", "of peak", "true",
               "of peak");
  for (const Part& p : parts) {
    gflop += p.gflop;
    true_gflop += p.true_gflop;
    layers.push_back({{"layer", p.name}, {"median_ms", p.ms}, {"gflop", p.gflop}, {"true_gflop", p.true_gflop}});
    std::fprintf(text, "%-32s %9.3f %9.3f %9.1f %7.0f%% %9.1f %7.0f%%\n", p.name.c_str(), p.ms, p.gflop,
                 1e3 * p.gflop / p.ms, 100e12 * p.gflop / p.ms / machine.peak, 1e3 * p.true_gflop / p.ms,
                 100e12 * p.true_gflop / p.ms / machine.peak);
  }
  const double flops = 1e12 * gflop / times.min_ms, true_flops = 1e12 * true_gflop / times.min_ms;
  const double weight_rate = 1e3 * static_cast<double>(network.weight_bytes()) / times.min_ms;
  std::fprintf(text,
               "%s: min %.2f ms, median %.2f ms; direct-equivalent %.1f GFLOP/s, %.0f%% of the peak; true %.1f,\n"
               "%.0f%%; %zu MB, of them %zu "
               "MB\nof weights, which at least are read: %.0f%% of the bandwidth; error %.1e against %s\n",
               spec.c_str(), times.min_ms, times.median_ms, flops / 1e9, 100 * flops / machine.peak, true_flops / 1e9,
               100 * true_flops / machine.peak, network.bytes() >> 20, network.weight_bytes() >> 20,
               100 * weight_rate / machine.bandwidth.read, error, judge.name.c_str());
  if (options.json.empty()) return {};
  const Json json = {{"arch", spec},
                     {"precision", precision},
                     {"reps", options.reps},
                     {"machine", to_json(machine)},
                     {"min_ms", times.min_ms},
                     {"median_ms", times.median_ms},
                     {"direct_gflop", gflop},
                     {"direct_gflops", flops / 1e9},
                     {"direct_of_peak", flops / machine.peak},
                     {"true_gflop", true_gflop},
                     {"true_gflops", true_flops / 1e9},
                     {"true_of_peak", true_flops / machine.peak},
                     {"bytes", network.bytes()},
                     {"weight_bytes", network.weight_bytes()},
                     {"weights_of_read", weight_rate / machine.bandwidth.read},
                     {"judge", judge.name},
                     {"error", error},
                     {"layers", layers}};
  return write_json(json, options.json);
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times a whole GPEN, checked first.", "bench_network"};
  NetworkOptions options;
  options.add_to(&app);
  options.add_precision_to(&app);
  app.add_option("--size", options.size, "256, 512, 1024 or 2048")
      ->check(CLI::IsMember({256, 512, 1024, 2048}))
      ->capture_default_str();
  app.add_option("--golden", options.golden, "Check with the tensor `output` of this safetensors file");
  return run_program(app, argc, argv, [&] { return bench(options); });
}
