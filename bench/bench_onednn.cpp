// Every convolution of a problem file beside oneDNN's, in one process, taking turns. Ours is the whole layer as the
// network runs it; oneDNN's is the bare convolution. Both are checked before they are timed.
#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "bench/check.h"
#include "bench/options.h"
#include "bench/peer_onednn.h"
#include "bench/report.h"
#include "kernels/layout.h"

namespace gpen::bench {
namespace {

// The threads of the one must be asleep before the other is timed: both wait for work in a busy loop for a while.
constexpr auto kPause = std::chrono::milliseconds(5);

struct Comparison {
  Problem problem;
  ConvAlgorithm algorithm = ConvAlgorithm::direct;
  std::string implementation;
  Times ours, onednn;
  double ratio() const { return onednn.median_ms / ours.median_ms; }
};

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0, squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    worst = d <= worst ? worst : d;
    squares += static_cast<double>(a[i]) * a[i];
  }
  return worst / std::sqrt(squares / static_cast<double>(a.size()));
}

// oneDNN against double precision, and against ours in every value where both compute the same.
Status check_onednn(const Problem& p, LayerData& bare, const std::vector<float>& weight, const std::vector<float>& x,
                    OnednnLayer& onednn, ThreadPool& pool) {
  onednn.run();
  const std::vector<float> y = onednn.output();
  const double limit = error_limit(p), error = bare_error(p, false, weight, x, y);
  if (!(error < limit)) return fail(Code::internal, "oneDNN is wrong: error ", error, " of the root mean square");
  if (p.kind == Kind::up || p.kind == Kind::down) return {};
  GPEN_ASSIGN(Layer ours, Layer::make(bare, ConvAlgorithm::automatic, pool));
  poison(bare.y);
  ours.run();
  const double between = difference(y, planar_copy(bare.y, pool));
  if (!(between < 2 * limit))
    return fail(Code::internal, "oneDNN and ours differ by ", between, " of the root mean square");
  return {};
}

Result<OnednnLayer> make_onednn(const Problem& p, ThreadPool& pool) {
  GPEN_ASSIGN(LayerData bare, make_layer_data(bare_problem(p), true, pool));
  std::vector<float> weight = bare.weight;
  for (float& w : weight) w = static_cast<float>(w * bare.scale);
  const std::vector<float> x = planar_copy(bare.x, pool);
  GPEN_ASSIGN(OnednnLayer onednn, OnednnLayer::make(p, weight, x, pool.size()));
  GPEN_RETURN_IF_ERROR(check_onednn(p, bare, weight, x, onednn, pool));
  return onednn;
}

// The second of two runs in a row, after a pause.
template <class Run>
double timed(Run&& run) {
  std::this_thread::sleep_for(kPause);
  run();
  const auto start = Clock::now();
  run();
  return 1e3 * seconds_since(start);
}

Result<Comparison> compare(const Problem& p, int reps, ThreadPool& pool) {
  GPEN_ASSIGN(OnednnLayer onednn, make_onednn(p, pool));
  GPEN_ASSIGN(LayerData data, make_layer_data(p, false, pool));
  GPEN_ASSIGN(Layer ours, Layer::make(data, ConvAlgorithm::automatic, pool));
  poison(data.y);
  ours.run();
  const double error = sampled_error(reference_samples(data), data.y);
  if (!(error < error_limit(p)))
    return fail(Code::internal, "ours is wrong: error ", error, " of the root mean square");
  std::vector<double> our_ms, onednn_ms;
  for (int r = 0; r < reps; ++r) {
    const auto turn = [&](bool mine) {
      if (mine)
        our_ms.push_back(timed([&] { ours.run(); }));
      else
        onednn_ms.push_back(timed([&] { onednn.run(); }));
    };
    turn(r % 2 == 0);
    turn(r % 2 != 0);
  }
  return Comparison{p, ours.algorithm(), onednn.implementation(), summarise(our_ms), summarise(onednn_ms)};
}

void print(FILE* to, const Comparison& c) {
  const std::string shape = concat(c.problem.in, ">", c.problem.out, ",", c.problem.side);
  std::fprintf(to, "%-10s %-8s %-14s %-12s %9.3f %9.3f %9.3f %9.3f %7.2f  %s\n", c.problem.name.c_str(),
               name_of(c.problem.kind), shape.c_str(), name_of(c.algorithm), c.ours.min_ms, c.ours.median_ms,
               c.onednn.min_ms, c.onednn.median_ms, c.ratio(), c.implementation.c_str());
  std::fflush(to);
}

Json to_json(const Comparison& c) {
  const Problem& p = c.problem;
  return {{"layer", p.name},
          {"kind", name_of(p.kind)},
          {"in", p.in},
          {"out", p.out},
          {"side", p.side},
          {"algorithm", name_of(c.algorithm)},
          {"min_ms", c.ours.min_ms},
          {"median_ms", c.ours.median_ms},
          {"onednn", c.implementation},
          {"onednn_min_ms", c.onednn.min_ms},
          {"onednn_median_ms", c.onednn.median_ms},
          {"ratio", c.ratio()}};
}

Status bench(const ProblemOptions& options) {
  GPEN_RETURN_IF_ERROR(options.take_isa());
  GPEN_ASSIGN(const std::vector<Problem> problems, options.chosen());
  ThreadPool pool(options.threads);
  FILE* text = options.text();
  GPEN_ASSIGN(const Machine machine, measure_machine(pool));
  print_machine(text, machine);
  std::fprintf(
      text,
      "oneDNN %s, the same number of threads: the bare convolution. The blur of `down` and `up`, stem, styles, "
      "bias and\nactivation are in our times and NOT in oneDNN's; nor is any change of layout.\n"
      "ratio: oneDNN's median over ours, above 1 ours is faster\n",
      onednn_version().c_str());
  std::fprintf(text, "%-10s %-8s %-14s %-12s %9s %9s %9s %9s %7s  %s\n", "layer", "kind", "channels,side", "ours",
               "min ms", "median", "oneDNN", "median", "ratio", "oneDNN's choice");
  Json json = {{"problems", options.problems},
               {"reps", options.reps},
               {"onednn", onednn_version()},
               {"machine", to_json(machine)},
               {"results", Json::array()}};
  double ours_ms = 0, onednn_ms = 0;
  for (const Problem& p : problems) {
    Result<Comparison> c = compare(p, options.reps, pool);
    if (!c.ok()) return c.status().in(p.name);
    print(text, *c);
    json["results"].push_back(to_json(*c));
    ours_ms += c->ours.median_ms;
    onednn_ms += c->onednn.median_ms;
  }
  std::fprintf(text, "%-57s %9.3f %9s %9.3f %7.2f\n", "sum of medians", ours_ms, "", onednn_ms, onednn_ms / ours_ms);
  return options.json.empty() ? Status() : write_json(json, options.json);
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times the convolutions of a network beside oneDNN's, taking turns.", "bench_onednn"};
  ProblemOptions options;
  options.add_to(&app);
  return run_program(app, argc, argv, [&] { return bench(options); });
}
