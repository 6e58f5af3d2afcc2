// Every convolution of a problem file on a device beside cuDNN's and a matrix product of cuBLAS of the same size,
// taking turns. Ours is the whole layer as the network runs it; theirs are the bare operations. All are checked before
// they are timed.
#include <algorithm>
#include <cmath>
#include <random>

#include "bench/gpu_layer.h"
#include "bench/gpu_options.h"
#include "bench/peer_cublas.h"
#include "bench/peer_cudnn.h"
#include "kernels/layout.h"

namespace gpen::bench {
namespace {

struct CompareOptions : GpuOptions {
  std::string problems = std::string(GPEN_SOURCE_DIR) + "/bench/problems/gpen_512.txt", filter;
  bool cold = false;
  int batch = 1;
};

struct Comparison {
  Problem problem;
  Precision precision = Precision::fp32;
  std::string plan, algorithm;
  Times ours, cudnn, gemm;
  bool has_gemm = false;
  double error = 0;
  double cudnn_ratio() const { return cudnn.median_ms / ours.median_ms; }
  double gemm_ratio() const { return gemm.median_ms / ours.median_ms; }
};

Result<CudnnLayer> make_cudnn(const Problem& p, const CompareOptions& options, Precision precision,
                              std::shared_ptr<Device> device, ThreadPool& pool) {
  GPEN_ASSIGN(const LayerData bare, make_layer_data(bare_problem(p), true, pool));
  std::vector<float> weight = bare.weight;
  for (float& w : weight) w = static_cast<float>(w * bare.scale);
  const std::vector<float> x = planar_copy(bare.x, pool);
  GPEN_ASSIGN(CudnnLayer cudnn, CudnnLayer::make(p, weight, x, device, precision, options.batch, pool));
  cudnn.run();
  const std::vector<float> y = cudnn.first_image();
  GPEN_RETURN_IF_ERROR(device->finish());
  // Winograd's transforms, which it may have chosen, are less accurate than the direct form.
  const double error = bare_error(p, true, weight, x, y), limit = 4 * device_error_limit(p, precision);
  if (!(error < limit))
    return fail(Code::internal, "cuDNN (", cudnn.algorithm(), ") is wrong: error ", error, " of the root mean square");
  return cudnn;
}

// The matrix product with the convolution's multiplications: rows are pixels (of the input where it is transposed).
Result<std::optional<CublasGemm>> make_gemm(const Problem& p, const CompareOptions& options, Precision precision,
                                            std::shared_ptr<Device> device) {
  const bool up = p.kind == Kind::up;
  const int64_t side = up ? p.side : p.out_side(), m = options.batch * side * side;
  const int64_t n = up ? 9 * p.out : p.out, k = up ? p.in : 9 * p.in;
  if (CublasGemm::bytes(precision, m, n, k) > device->free_bytes() / 2) return std::optional<CublasGemm>();
  GPEN_ASSIGN(CublasGemm gemm, CublasGemm::make(device, precision, m, n, k));
  GPEN_RETURN_IF_ERROR(gemm.check());
  return std::optional<CublasGemm>(std::move(gemm));
}

Result<Comparison> compare(const Problem& p, const CompareOptions& options, Precision precision,
                           std::shared_ptr<Device> device, DeviceTimer& timer, ThreadPool& pool) {
  Comparison c;
  c.problem = p;
  c.precision = precision;
  GPEN_ASSIGN(LayerData data, make_layer_data(p, false, pool));
  GPEN_ASSIGN(GpuLayer ours, GpuLayer::make(data, device, precision, options.batch, pool));
  GPEN_ASSIGN(c.error, ours.error(reference_samples(data)));
  if (!(c.error < device_error_limit(p, precision)))
    return fail(Code::internal, "ours is wrong: error ", c.error, " of the root mean square");
  const ConvPlan plan = choose_plan(ours.work(), precision, *device);
  c.plan = concat(shape_of(plan.tile).name, " x", plan.splits);
  GPEN_ASSIGN(CudnnLayer cudnn, make_cudnn(p, options, precision, device, pool));
  c.algorithm = cudnn.algorithm();
  GPEN_ASSIGN(std::optional<CublasGemm> gemm, make_gemm(p, options, precision, device));
  c.has_gemm = gemm.has_value();
  std::vector<double> ms[3];
  const std::function<void()> runs[] = {[&] { ours.run(); }, [&] { cudnn.run(); }, [&] { gemm->run(); }};
  const int peers = c.has_gemm ? 3 : 2;
  for (int r = 0; r < options.reps; ++r)
    for (int i = 0; i < peers; ++i) {
      const int turn = (r + i) % peers;
      GPEN_ASSIGN(const double one, timer.ms(runs[turn]));
      ms[turn].push_back(one);
    }
  c.ours = summarise(ms[0]);
  c.cudnn = summarise(ms[1]);
  if (c.has_gemm) c.gemm = summarise(ms[2]);
  return c;
}

void print(FILE* to, const Comparison& c) {
  std::fprintf(to, "%-10s %-5s %-15s %-9s %-11s %9.4f %9.4f %9.4f %7.2f ", c.problem.name.c_str(),
               name_of(c.problem.kind), concat(c.problem.in, ">", c.problem.out, ",", c.problem.side).c_str(),
               name_of(c.precision), c.plan.c_str(), c.ours.min_ms, c.ours.median_ms, c.cudnn.median_ms,
               c.cudnn_ratio());
  if (c.has_gemm)
    std::fprintf(to, "%9.4f %7.2f", c.gemm.median_ms, c.gemm_ratio());
  else
    std::fprintf(to, "%9s %7s", "-", "-");
  std::fprintf(to, "  %s\n", c.algorithm.c_str());
  std::fflush(to);
}

Json to_json(const Comparison& c) {
  const Problem& p = c.problem;
  Json json = {{"layer", p.name},
               {"kind", name_of(p.kind)},
               {"in", p.in},
               {"out", p.out},
               {"side", p.side},
               {"precision", name_of(c.precision)},
               {"plan", c.plan},
               {"error", c.error},
               {"min_ms", c.ours.min_ms},
               {"median_ms", c.ours.median_ms},
               {"cudnn", c.algorithm},
               {"cudnn_min_ms", c.cudnn.min_ms},
               {"cudnn_median_ms", c.cudnn.median_ms},
               {"cudnn_ratio", c.cudnn_ratio()}};
  if (c.has_gemm) {
    json["gemm_median_ms"] = c.gemm.median_ms;
    json["gemm_ratio"] = c.gemm_ratio();
  }
  return json;
}

Status bench(const CompareOptions& options) {
  GPEN_ASSIGN(std::vector<Problem> problems, read_problems(options.problems));
  std::erase_if(problems, [&](const Problem& p) { return p.name.find(options.filter) == std::string::npos; });
  if (problems.empty())
    return fail(Code::usage, "--filter ", options.filter, ": no layer of ", options.problems, " has such a name");
  GPEN_ASSIGN(const std::shared_ptr<Device> device, open_bench_device(options.device));
  if (is_emulated(*device)) return fail(Code::usage, "--device emulated: cuDNN needs a CUDA device");
  GPEN_ASSIGN(DeviceTimer timer, DeviceTimer::make(device, options.cold));
  ThreadPool pool(options.threads);
  FILE* text = options.text();
  print_device(text, *device);
  std::fprintf(text, "batch %d, %s caches\n", options.batch, options.cold ? "cold" : "warm");
  std::fprintf(
      text,
      "%s, %s: the bare convolution and a matrix product of its size. The blur of `down` and `up`, styles, "
      "bias\nand activation are in our times and NOT in theirs. ratio: their median over ours, above 1 ours is "
      "faster\n",
      cudnn_version().c_str(), cublas_version().c_str());
  std::fprintf(text, "%-10s %-5s %-15s %-9s %-11s %9s %9s %9s %7s %9s %7s  %s\n", "layer", "kind", "in>out,side",
               "precision", "ours", "min ms", "median", "cuDNN", "ratio", "cuBLAS", "ratio", "cuDNN's choice");
  Json json = {{"problems", options.problems}, {"reps", options.reps},     {"batch", options.batch},
               {"cold", options.cold},         {"cudnn", cudnn_version()}, {"device", bench::to_json(device->info())},
               {"results", Json::array()},     {"failed", Json::array()}};
  int wrong = 0;
  for (const Precision precision : options.precisions) {
    double ours = 0, cudnn = 0;
    for (Problem p : problems) {
      p.stem = false;  // a device reads the stem's tensor
      const Result<Comparison> c = compare(p, options, precision, device, timer, pool);
      if (!c.ok()) {
        const std::string message = concat(p.name, ", ", name_of(precision), ": ", c.status().message());
        std::fprintf(stderr, "%s\n", message.c_str());
        json["failed"].push_back(message);
        ++wrong;
        continue;
      }
      print(text, *c);
      json["results"].push_back(to_json(*c));
      ours += c->ours.median_ms;
      cudnn += c->cudnn.median_ms;
    }
    if (ours > 0)
      std::fprintf(text, "%-64s %9.4f %9.4f %7.2f\n", concat("sum of medians, ", name_of(precision)).c_str(), ours,
                   cudnn, cudnn / ours);
  }
  if (!options.json.empty()) GPEN_RETURN_IF_ERROR(write_json(json, options.json));
  return wrong == 0 ? Status() : fail(Code::internal, wrong, " layers were not compared");
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times the convolutions of a network on a device beside cuDNN's and cuBLAS's, taking turns.",
               "bench_cudnn"};
  CompareOptions options;
  options.add_to(&app);
  app.add_option("--problems", options.problems, "File of problems (bench/problems)")->capture_default_str();
  app.add_option("--filter", options.filter, "Only layers whose name contains this text");
  app.add_option("--batch", options.batch, "Images at once")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_flag("--cold", options.cold, "Fill the caches with something else before every run");
  return run_program(app, argc, argv, [&] { return bench(options); });
}
