// Times every convolution of a problem file on a device, with the plan that is chosen or with every plan, beside the
// rate of cuBLAS's matrix product in the same run. A result is checked against double precision before it is timed; a
// wrong one is not timed. At the end: the best plan of every layer.
#include <algorithm>
#include <cmath>

#include "bench/gpu_layer.h"
#include "bench/gpu_options.h"
#include "kernels/conv_plans.h"

namespace gpen::bench {
namespace {

struct ConvOptions : GpuOptions {
  std::string problems = std::string(GPEN_SOURCE_DIR) + "/bench/problems/gpen_512.txt", filter;
  bool plans = false, cold = false;
  int batch = 1;
};

struct PlanRow {
  Problem problem;
  Precision precision = Precision::fp32;
  ConvPlan plan;
  bool automatic = false;  // what choose_plan() takes
  ConvWork work;
  int batch = 1;
  double error = 0;
  Times times;
  double flops() const { return 2e3 * batch * direct_multiplies(problem) / times.min_ms; }
};

std::string text(const ConvPlan& plan) {
  return concat(shape_of(plan.tile).name, " x", plan.splits, plan.blur_in_load ? "+blur" : "");
}

// The chosen plan first; with --plans every other one that is worth measuring.
std::vector<ConvPlan> plans_of(const ConvWork& work, Precision precision, const Device& device, bool all) {
  std::vector<ConvPlan> plans = {choose_plan(work, precision, device)};
  if (!all) return plans;
  for (const ConvPlan& plan : candidate_plans(work, device.info()))
    if (plan != plans.front()) plans.push_back(plan);
  return plans;
}

Status time_plan(GpuLayer& layer, const std::vector<Sample>& samples, DeviceTimer& timer, int reps, PlanRow* row) {
  GPEN_RETURN_IF_ERROR(layer.plan());
  GPEN_ASSIGN(row->error, layer.error(samples));
  const double limit = device_error_limit(row->problem, row->precision);
  if (!(row->error < limit))
    return fail(Code::internal, "is wrong: error ", row->error, " of the root mean square, at most ", limit,
                " is expected");
  GPEN_ASSIGN(row->times, times_of(
                              timer, [&] { layer.run(); }, reps));
  return Status();
}

void print_heading(FILE* to) {
  std::fprintf(to, "%-10s %-5s %-15s %-9s %-14s %9s %9s %9s %7s %8s\n", "layer", "kind", "in>out,side", "precision",
               "tile x splits", "min ms", "median", "TFLOP/s", "of rate", "error");
}

void print_row(FILE* to, const PlanRow& r, std::optional<double> rate) {
  const Problem& p = r.problem;
  std::fprintf(to, "%-10s %-5s %-15s %-9s %-14s %9.4f %9.4f %9.2f %7s %8.1e\n", p.name.c_str(), name_of(p.kind),
               concat(p.in, ">", p.out, ",", p.side).c_str(), name_of(r.precision),
               concat(text(r.plan), r.automatic ? " *" : "").c_str(), r.times.min_ms, r.times.median_ms,
               r.flops() / 1e12, percent_of(r.flops(), rate).c_str(), r.error);
  std::fflush(to);
}

// The best plan of every layer in one precision, as a table of conv_plans.h, and the sums of both.
void print_best(FILE* to, const std::vector<PlanRow>& rows, Precision precision, std::optional<double> rate,
                const DeviceInfo& device) {
  std::vector<const PlanRow*> best, automatic;
  for (const PlanRow& row : rows) {
    if (row.precision != precision) continue;
    if (row.automatic) automatic.push_back(&row);
    if (best.empty() || best.back()->problem.name != row.problem.name)
      best.push_back(&row);
    else if (row.times.median_ms < best.back()->times.median_ms)
      best.back() = &row;
  }
  if (best.empty()) return;
  double best_ms = 0, automatic_ms = 0, flop = 0;
  ConvPlans table;
  for (const PlanRow* row : best) {
    const PlanRow& b = *row;
    table.set({precision, b.work, b.plan, b.times.median_ms / b.batch});
    best_ms += b.times.median_ms;
    flop += 2 * b.batch * direct_multiplies(b.problem);
  }
  std::fprintf(to, "\n%s", to_text(table, device).c_str());
  for (const PlanRow* a : automatic) automatic_ms += a->times.median_ms;
  std::fprintf(to, "%s, %zu layers, sum of medians: best %.4f ms, %.2f TFLOP/s, %s of the matrix rate",
               name_of(precision), best.size(), best_ms, 1e-9 * flop / best_ms,
               percent_of(1e3 * flop / best_ms, rate).c_str());
  if (automatic.size() == best.size()) std::fprintf(to, "; chosen %.4f ms", automatic_ms);
  std::fprintf(to, "\n");
}

Json to_json(const PlanRow& r, std::optional<double> rate) {
  const Problem& p = r.problem;
  Json json = {{"layer", p.name},
               {"kind", name_of(p.kind)},
               {"in", p.in},
               {"out", p.out},
               {"side", p.side},
               {"precision", name_of(r.precision)},
               {"tile", shape_of(r.plan.tile).name},
               {"splits", r.plan.splits},
               {"blur_in_load", r.plan.blur_in_load},
               {"automatic", r.automatic},
               {"batch", r.batch},
               {"min_ms", r.times.min_ms},
               {"median_ms", r.times.median_ms},
               {"tflops", r.flops() / 1e12},
               {"error", r.error}};
  if (rate.has_value()) json["of_matrix_rate"] = r.flops() / *rate;
  return json;
}

class Bench {
 public:
  Bench(const ConvOptions& options, std::shared_ptr<Device> device, DeviceTimer timer)
      : options_(options), device_(device), timer_(std::move(timer)), rate_(device), pool_(options.threads) {}

  // One problem with every plan in one precision. A wrong result is reported and counted, and does not end the run.
  Status problem(const Problem& p, Precision precision) {
    GPEN_ASSIGN(LayerData data, make_layer_data(p, false, pool_));
    GPEN_ASSIGN(const std::optional<double> rate, rate_.of(precision));
    GPEN_ASSIGN(GpuLayer layer, GpuLayer::make(data, device_, precision, options_.batch, pool_));
    const std::vector<Sample> samples = reference_samples(data);
    const ConvWork work = layer.work();
    const std::vector<ConvPlan> plans = plans_of(work, precision, *device_, options_.plans);
    for (const ConvPlan& plan : plans) {
      PlanRow row;
      row.problem = p;
      row.precision = precision;
      row.plan = plan;
      row.automatic = plan == plans.front();
      row.work = work;
      row.batch = options_.batch;
      force_conv_plan(plan);
      Status status = time_plan(layer, samples, timer_, options_.reps, &row);
      force_conv_plan(std::nullopt);
      if (status.code() == Code::device) return status;  // nothing that follows can be trusted
      if (!status.ok()) {
        std::fprintf(stderr, "%s, %s, %s: %s\n", p.name.c_str(), name_of(precision), text(plan).c_str(),
                     status.message().c_str());
        ++wrong_;
        continue;
      }
      print_row(options_.text(), row, rate);
      rows_.push_back(row);
    }
    return Status();
  }

  Status finish() {
    for (const Precision precision : options_.precisions) {
      GPEN_ASSIGN(const std::optional<double> rate, rate_.of(precision));
      print_best(options_.text(), rows_, precision, rate, device_->info());
    }
    if (!options_.json.empty()) GPEN_RETURN_IF_ERROR(write());
    return wrong_ == 0 ? Status() : fail(Code::internal, wrong_, " results were wrong or failed, and were not timed");
  }

 private:
  Status write() {
    Json json = {{"problems", options_.problems},
                 {"reps", options_.reps},
                 {"batch", options_.batch},
                 {"cold", options_.cold},
                 {"device", bench::to_json(device_->info())},
                 {"matrix_tflops", Json::object()},
                 {"results", Json::array()}};
    for (const Precision precision : options_.precisions) {
      GPEN_ASSIGN(const std::optional<double> rate, rate_.of(precision));
      if (rate.has_value()) json["matrix_tflops"][name_of(precision)] = *rate / 1e12;
    }
    for (const PlanRow& row : rows_) {
      GPEN_ASSIGN(const std::optional<double> rate, rate_.of(row.precision));
      json["results"].push_back(to_json(row, rate));
    }
    return write_json(json, options_.json);
  }

  const ConvOptions& options_;
  std::shared_ptr<Device> device_;
  DeviceTimer timer_;
  MatrixRate rate_;
  ThreadPool pool_;
  std::vector<PlanRow> rows_;
  int wrong_ = 0;
};

Status bench(const ConvOptions& options) {
  GPEN_ASSIGN(std::vector<Problem> problems, read_problems(options.problems));
  std::erase_if(problems, [&](const Problem& p) { return p.name.find(options.filter) == std::string::npos; });
  if (problems.empty())
    return fail(Code::usage, "--filter ", options.filter, ": no layer of ", options.problems, " has such a name");
  GPEN_ASSIGN(const std::shared_ptr<Device> device, open_bench_device(options.device));
  GPEN_ASSIGN(DeviceTimer timer, DeviceTimer::make(device, options.cold));
  FILE* text = options.text();
  print_device(text, *device);
  std::fprintf(text, "batch %d, %s caches\n", options.batch, options.cold ? "cold" : "warm");
  print_heading(text);
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
  CLI::App app{"Times the convolutions of a network on a device, each checked in double precision first.",
               "bench_gpu_conv2d"};
  ConvOptions options;
  options.add_to(&app);
  app.add_option("--problems", options.problems, "File of problems (bench/problems)")->capture_default_str();
  app.add_option("--filter", options.filter, "Only layers whose name contains this text");
  app.add_option("--batch", options.batch, "Images at once")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_flag("--plans", options.plans, "Every tile and split, not only the chosen ones");
  app.add_flag("--cold", options.cold, "Fill the caches with something else before every run");
  return run_program(app, argc, argv, [&] { return bench(options); });
}
