// Times every convolution of a problem file with every algorithm that can do it, beside the ceilings of the machine
// measured in the same run. A result is checked against double precision before it is timed; a wrong one is not timed.
#include <algorithm>

#include "bench/check.h"
#include "bench/options.h"
#include "bench/report.h"

namespace gpen::bench {
namespace {

struct ConvOptions : ProblemOptions {
  std::string algorithm;  // empty: all
};

// The algorithms to time, and whether one that cannot do a layer may be left out.
Result<std::vector<ConvAlgorithm>> chosen_algorithms(const std::string& name) {
  if (name.empty()) return std::vector<ConvAlgorithm>(std::begin(kAlgorithms), std::end(kAlgorithms));
  std::string known = name_of(ConvAlgorithm::automatic);
  if (name == known) return std::vector<ConvAlgorithm>{ConvAlgorithm::automatic};
  for (const ConvAlgorithm a : kAlgorithms) {
    if (name == name_of(a)) return std::vector<ConvAlgorithm>{a};
    known += concat(", ", name_of(a));
  }
  return fail(Code::usage, "--algorithm ", name, ": known are ", known);
}

Result<Row> time_layer(Layer& layer, const LayerData& data, const std::vector<Sample>& samples,
                       const ConvOptions& options) {
  Row row;
  row.problem = data.problem;
  row.algorithm = layer.algorithm();
  row.precision = options.precision;
  row.bytes = layer.compulsory_bytes();
  poison(data.y);
  layer.run();
  row.error = sampled_error(samples, data.y);
  const double limit = error_limit(data.problem, options.precision);
  if (!(row.error < limit))
    return fail(Code::internal, data.problem.name, " with ", name_of(row.algorithm), " is wrong: error ", row.error,
                " of the root mean square, at most ", limit, " is expected");
  std::vector<double> ms;
  for (int r = 0; r < options.reps; ++r) {
    const auto start = Clock::now();
    layer.run();
    ms.push_back(1e3 * seconds_since(start));
  }
  row.times = summarise(ms);
  return row;
}

// One problem with every chosen algorithm that can do it. A wrong result is reported and counted, and does not end
// the run.
Status bench_problem(const Problem& p, const std::vector<ConvAlgorithm>& algorithms, const ConvOptions& options,
                     ThreadPool& pool, const std::function<void(const Row&)>& add, int* wrong) {
  GPEN_ASSIGN(LayerData data, make_layer_data(p, false, pool));
  ConvAlgorithm automatic = ConvAlgorithm::automatic;
  if (const Result<Layer> layer = Layer::make(data, ConvAlgorithm::automatic, pool, options.precision); layer.ok())
    automatic = layer->algorithm();
  std::vector<Sample> samples;
  for (const ConvAlgorithm algorithm : algorithms) {
    Result<Layer> layer = Layer::make(data, algorithm, pool, options.precision);
    if (!layer.ok() && layer.status().code() == Code::usage) continue;  // cannot do this layer
    if (!layer.ok()) return layer.status();
    if (samples.empty()) samples = reference_samples(data);
    Result<Row> row = time_layer(*layer, data, samples, options);
    if (!row.ok()) {
      std::fprintf(stderr, "%s\n", row.status().message().c_str());
      ++*wrong;
      continue;
    }
    row->automatic = row->algorithm == automatic;
    add(*row);
  }
  return {};
}

Status bench(const ConvOptions& options) {
  GPEN_RETURN_IF_ERROR(options.take_isa());
  GPEN_ASSIGN(const std::vector<Problem> problems, options.chosen());
  GPEN_ASSIGN(const std::vector<ConvAlgorithm> algorithms, chosen_algorithms(options.algorithm));
  ThreadPool pool(options.threads);
  FILE* text = options.text();
  GPEN_ASSIGN(const Machine machine, measure_machine(pool));
  print_machine(text, machine);
  print_heading(text);

  std::vector<Row> rows;
  int wrong = 0;
  auto add = [&](const Row& row) {
    print_row(text, row, machine);
    rows.push_back(row);
  };
  for (const Problem& p : problems)
    GPEN_RETURN_IF_ERROR(bench_problem(p, algorithms, options, pool, add, &wrong).in(p.name));
  if (rows.empty() && wrong == 0)
    return fail(Code::usage, "--algorithm ", options.algorithm.empty() ? "of any name" : options.algorithm,
                ": can do none of the chosen layers in ", name_of(options.precision));
  print_sums(text, rows, machine);
  const double peak_after = fma_peak(pool);
  if (std::abs(peak_after / machine.peak - 1) > 0.05)
    std::fprintf(text,
                 "warning: the multiply-add peak was %.1f GFLOP/s before and %.1f after: the machine is not quiet\n",
                 machine.peak / 1e9, peak_after / 1e9);

  if (!options.json.empty()) {
    Json json = {{"problems", options.problems}, {"reps", options.reps}, {"machine", to_json(machine)}};
    json["machine"]["peak_after_gflops"] = peak_after / 1e9;
    json["results"] = Json::array();
    for (const Row& row : rows) json["results"].push_back(to_json(row, machine));
    GPEN_RETURN_IF_ERROR(write_json(json, options.json));
  }
  return wrong == 0 ? Status() : fail(Code::internal, wrong, " wrong results, which were not timed");
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times the convolutions of a network, each checked in double precision first.", "bench_conv2d"};
  ConvOptions options;
  options.add_to(&app);
  options.add_precision_to(&app);
  app.add_option("--algorithm", options.algorithm,
                 "Only this one: automatic, direct, winograd4x4, nested3x2; default: each that can do the layer");
  return run_program(app, argc, argv, [&] { return bench(options); });
}
