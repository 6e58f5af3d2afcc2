// Times whole GPENs with formula weights on a device: the device's time of a replay of the recorded work, and a call's
// time on the host. Every output is checked first: against golden data, or against the processor in fp32.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "bench/gpu_options.h"
#include "layers/gpen.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::bench {
namespace {

struct NetworkOptions : GpuOptions {
  std::vector<std::string> archs = {"gpen-bfr-256", "gpen-bfr-512", "gpen-bfr-1024"};
  std::vector<int> batches = {1};
  std::string shared;  // empty: the processor is the judge
  bool parts = false;
};

// Relative L2 error with formula weights.
double tolerance(Precision p) { return p == Precision::fp32 ? 2e-5 : p == Precision::bf16 ? 3e-2 : 5e-3; }

// Infinite when a value is not finite. expected may keep only every `step`-th row and column.
double relative_l2(const std::vector<float>& expected, const float* actual, int64_t side) {
  const auto kept = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(expected.size()) / 3)));
  const int64_t step = side / std::max<int64_t>(kept, 1);
  if (kept < 1 || kept * step != side || 3 * kept * kept != static_cast<int64_t>(expected.size()))
    return std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < 3 * side * side; ++i)
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
  double difference = 0, whole = 0;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < kept; ++y)
      for (int64_t x = 0; x < kept; ++x) {
        const double right = expected[static_cast<size_t>((c * kept + y) * kept + x)];
        const double got = actual[(c * side + y * step) * side + x * step];
        difference += (got - right) * (got - right);
        whole += right * right;
      }
  return std::sqrt(difference / whole);
}

// One architecture: weights, the input of the golden data, and the right answer.
struct Subject {
  std::string arch, judge;
  WeightStore weights;
  int64_t side = 0;
  std::vector<float> input, right;
};

Result<Subject> make_subject(const NetworkOptions& options, const std::string& spec, std::shared_ptr<ThreadPool> pool) {
  Subject s;
  s.arch = spec;
  GPEN_ASSIGN(const Architecture arch, parse_architecture(spec));
  const GpenArch* gpen = std::get_if<GpenArch>(&arch);
  if (gpen == nullptr || gpen->in_size != gpen->out_size)
    return fail(Code::usage, "--arch ", spec, ": a GPEN with one size for input and output is expected");
  s.side = gpen->in_size;
  GPEN_ASSIGN(s.weights, synthesize(arch, SynthKind::formula, "", pool.get()));
  std::string name = spec;
  std::replace(name.begin(), name.end(), '-', '_');
  s.input = formula_tensor(name + ".input", 3 * s.side * s.side, 1);
  const std::string golden = concat(options.shared, "/golden/", name, ".safetensors");
  if (!options.shared.empty() && std::filesystem::exists(golden)) {
    GPEN_ASSIGN(const WeightStore store, open_safetensors(golden));
    GPEN_ASSIGN(s.right, store.floats("output"));
    s.judge = "golden data";
    return s;
  }
  GPEN_ASSIGN(GpenNet net, GpenNet::load(s.weights, std::move(pool)));
  s.right.resize(s.input.size());
  GPEN_RETURN_IF_ERROR(
      net.forward(make_view(s.input.data(), 1, 3, s.side, s.side), make_view(s.right.data(), 1, 3, s.side, s.side)));
  s.judge = "the processor";
  return s;
}

struct Row {
  std::string arch, judge;
  Precision precision = Precision::fp32;
  int batch = 1;
  double gflop = 0;                         // direct-equivalent, of the batch
  double error = 0;                         // relative L2
  Times device, call;                       // a replay on the device; a call seen from the host
  double load_ms = 0;                       // packing and uploading the weights
  size_t weights = 0, arena = 0, used = 0;  // used: what the device's free memory fell by
  double flops() const { return 1e12 * gflop / device.min_ms; }
};

// A network on the device, its input and output there.
class Network {
 public:
  static Result<Network> load(const Subject& subject, std::shared_ptr<ThreadPool> pool, Precision precision,
                              std::shared_ptr<Device> device) {
    GPEN_ASSIGN(GpenNet net, GpenNet::load(subject.weights, {std::move(pool), precision, device}));
    GPEN_RETURN_IF_ERROR(device->finish());
    return Network(std::move(net), subject, std::move(device));
  }

  // Every image of the batch is the same.
  Status set_batch(int batch) {
    batch_ = batch;
    const size_t image = subject_->input.size() * sizeof(float);
    GPEN_ASSIGN(input_, DeviceBuffer::make(device_, image * static_cast<size_t>(batch)));
    GPEN_ASSIGN(output_, DeviceBuffer::make(device_, image * static_cast<size_t>(batch)));
    for (int i = 0; i < batch; ++i)
      device_->upload(static_cast<uint8_t*>(input_.data()) + static_cast<size_t>(i) * image, subject_->input.data(),
                      image);
    return device_->finish();
  }

  Status forward(std::vector<LayerTime>* times = nullptr) {
    TensorView in = make_view(input_.floats(), batch_, 3, subject_->side, subject_->side);
    TensorView out = make_view(output_.floats(), batch_, 3, subject_->side, subject_->side);
    in.on_device = out.on_device = true;
    GpenNet::Extra extra;
    extra.times = times;
    return net_.forward(in, out, 0, times == nullptr ? nullptr : &extra);
  }

  // Runs into a poisoned output. The error of the first image; infinite when another one differs from it.
  Result<double> error() {
    const std::vector<uint8_t> poison(output_.bytes(), 0xff);
    device_->upload(output_.data(), poison.data(), poison.size());
    GPEN_RETURN_IF_ERROR(forward());
    std::vector<float> out(output_.bytes() / sizeof(float));
    device_->download(out.data(), output_.data(), output_.bytes());
    GPEN_RETURN_IF_ERROR(device_->finish());
    const auto image = static_cast<std::ptrdiff_t>(subject_->input.size());
    for (int i = 1; i < batch_; ++i)
      if (!std::equal(out.begin(), out.begin() + image, out.begin() + i * image))
        return std::numeric_limits<double>::infinity();
    return relative_l2(subject_->right, out.data(), subject_->side);
  }

  const GpenNet& net() const { return net_; }

 private:
  Network(GpenNet net, const Subject& subject, std::shared_ptr<Device> device)
      : net_(std::move(net)), subject_(&subject), device_(std::move(device)) {}
  GpenNet net_;
  const Subject* subject_;
  std::shared_ptr<Device> device_;
  DeviceBuffer input_, output_;
  int batch_ = 1;
};

// The first run, the one that records and the first replay are each checked.
Status check(Network& network, Row* row) {
  for (const char* run : {"the first run", "the recording run", "a replay"}) {
    GPEN_ASSIGN(row->error, network.error());
    if (!(row->error <= tolerance(row->precision)))
      return fail(Code::internal, row->arch, " in ", name_of(row->precision), ", batch ", row->batch, ", is wrong in ",
                  run, ": relative L2 error ", row->error, " against ", row->judge, ", at most ",
                  tolerance(row->precision), " is expected");
  }
  return Status();
}

Status time_network(Network& network, ReplayTimer& replays, DeviceTimer& plug, int reps, Row* row) {
  std::vector<double> device_ms, call_ms;
  for (int r = 0; r < reps; ++r) {
    const auto start = Clock::now();
    GPEN_RETURN_IF_ERROR(network.forward());
    call_ms.push_back(1e3 * seconds_since(start));
    plug.plug();
    GPEN_RETURN_IF_ERROR(network.forward());
    GPEN_ASSIGN(const double ms, replays.ms());
    device_ms.push_back(ms);
  }
  row->call = summarise(call_ms);
  row->device = summarise(device_ms);
  return Status();
}

void print_parts(FILE* to, const std::vector<LayerTime>& parts) {
  std::fprintf(to, "  part (waited for, one by one)       ms     GFLOP\n");
  for (const LayerTime& part : parts) std::fprintf(to, "  %-30s %8.4f %9.3f\n", part.layer, part.ms, part.gflop);
}

void print_heading(FILE* to) {
  std::fprintf(to, "%-14s %-9s %5s %10s %10s %10s %10s %9s %8s %8s %8s %8s %9s\n", "network", "precision", "batch",
               "device min", "median", "ms/image", "call med.", "TFLOP/s", "of rate", "weights", "arena", "used MB",
               "L2 error");
}

void print_row(FILE* to, const Row& r, std::optional<double> rate) {
  std::fprintf(to, "%-14s %-9s %5d %10.4f %10.4f %10.4f %10.4f %9.2f %8s %8zu %8zu %8zu %9.1e  %s\n", r.arch.c_str(),
               name_of(r.precision), r.batch, r.device.min_ms, r.device.median_ms, r.device.median_ms / r.batch,
               r.call.median_ms, r.flops() / 1e12, percent_of(r.flops(), rate).c_str(), r.weights >> 20, r.arena >> 20,
               r.used >> 20, r.error, r.judge.c_str());
  std::fflush(to);
}

Json to_json(const Row& r, std::optional<double> rate) {
  Json json = {{"arch", r.arch},
               {"precision", name_of(r.precision)},
               {"batch", r.batch},
               {"device_min_ms", r.device.min_ms},
               {"device_median_ms", r.device.median_ms},
               {"call_min_ms", r.call.min_ms},
               {"call_median_ms", r.call.median_ms},
               {"load_ms", r.load_ms},
               {"direct_gflop", r.gflop},
               {"tflops", r.flops() / 1e12},
               {"weight_bytes", r.weights},
               {"arena_bytes", r.arena},
               {"used_bytes", r.used},
               {"judge", r.judge},
               {"relative_l2", r.error}};
  if (rate.has_value()) json["of_matrix_rate"] = r.flops() / *rate;
  return json;
}

class Bench {
 public:
  Bench(const NetworkOptions& options, std::shared_ptr<Device> device, std::shared_ptr<ReplayTimer> replays,
        DeviceTimer plug)
      : options_(options), device_(device), replays_(std::move(replays)), plug_(std::move(plug)), rate_(device) {}

  // All batches of a network in one precision. A wrong result is reported and counted, and ends its precision only.
  Status network(const Subject& subject, Precision precision, std::shared_ptr<ThreadPool> pool) {
    GPEN_ASSIGN(const std::optional<double> rate, rate_.of(precision));
    const size_t free_before = device_->free_bytes();
    const auto start = Clock::now();
    GPEN_ASSIGN(Network network, Network::load(subject, std::move(pool), precision, replays_));
    const double load_ms = 1e3 * seconds_since(start);
    GPEN_RETURN_IF_ERROR(network.set_batch(1));
    std::vector<LayerTime> parts;
    GPEN_RETURN_IF_ERROR(network.forward(&parts));
    double gflop = 0;
    for (const LayerTime& part : parts) gflop += part.gflop;
    for (const int batch : options_.batches) {
      Row row;
      row.arch = subject.arch;
      row.judge = subject.judge;
      row.precision = precision;
      row.batch = batch;
      row.gflop = gflop * batch;
      row.load_ms = load_ms;
      GPEN_RETURN_IF_ERROR(network.set_batch(batch));
      if (const Status status = check(network, &row); status.code() == Code::internal) {
        std::fprintf(stderr, "%s\n", status.message().c_str());
        ++wrong_;
        return Status();
      } else if (!status.ok()) {
        return status;
      }
      GPEN_RETURN_IF_ERROR(time_network(network, *replays_, plug_, options_.reps, &row));
      row.weights = network.net().weight_bytes();
      row.arena = network.net().arena_bytes();
      const size_t free_now = device_->free_bytes();
      row.used = free_before > free_now ? free_before - free_now : 0;
      print_row(options_.text(), row, rate);
      results_.push_back(to_json(row, rate));
    }
    if (options_.parts) {
      GPEN_RETURN_IF_ERROR(network.set_batch(1));
      GPEN_RETURN_IF_ERROR(network.forward(&parts));  // plans
      GPEN_RETURN_IF_ERROR(network.forward(&parts));
      print_parts(options_.text(), parts);
    }
    return Status();
  }

  Status finish() {
    if (!options_.json.empty()) {
      Json json = {
          {"reps", options_.reps}, {"device", bench::to_json(device_->info())}, {"matrix_tflops", Json::object()}};
      for (const Precision precision : options_.precisions) {
        GPEN_ASSIGN(const std::optional<double> rate, rate_.of(precision));
        if (rate.has_value()) json["matrix_tflops"][name_of(precision)] = *rate / 1e12;
      }
      json["results"] = results_;
      GPEN_RETURN_IF_ERROR(write_json(json, options_.json));
    }
    return wrong_ == 0 ? Status() : fail(Code::internal, wrong_, " networks were wrong and were not timed");
  }

 private:
  const NetworkOptions& options_;
  std::shared_ptr<Device> device_;
  std::shared_ptr<ReplayTimer> replays_;
  DeviceTimer plug_;
  MatrixRate rate_;
  Json results_ = Json::array();
  int wrong_ = 0;
};

Status bench(const NetworkOptions& options) {
  GPEN_ASSIGN(const std::shared_ptr<Device> device, open_bench_device(options.device));
  GPEN_ASSIGN(DeviceTimer plug, DeviceTimer::make(device, false));
  GPEN_ASSIGN(std::shared_ptr<ReplayTimer> replays, ReplayTimer::make(device));
  const auto pool = std::make_shared<ThreadPool>(options.threads);
  print_device(options.text(), *device);
  print_heading(options.text());
  Bench bench(options, device, std::move(replays), std::move(plug));
  for (const std::string& arch : options.archs) {
    GPEN_ASSIGN(const Subject subject, make_subject(options, arch, pool));
    for (const Precision precision : options.precisions)
      GPEN_RETURN_IF_ERROR(bench.network(subject, precision, pool).in(concat(arch, ", ", name_of(precision))));
  }
  return bench.finish();
}

}  // namespace
}  // namespace gpen::bench

int main(int argc, char** argv) {
  using namespace gpen::bench;
  CLI::App app{"Times whole GPENs on a device, checked first.", "bench_gpu_network"};
  NetworkOptions options;
  if (const char* shared = std::getenv("GPEN_SHARED")) options.shared = shared;
  options.add_to(&app);
  app.add_option("--arch", options.archs, "Architectures as for `gpen synth`; default: gpen-bfr-256, -512 and -1024");
  app.add_option("--batch", options.batches, "Images at once; several with commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 256));
  app.add_option("--shared", options.shared, "Folder of the shared data: golden/ is the judge (also GPEN_SHARED)");
  app.add_flag("--parts", options.parts, "Also the time of every part, each waited for");
  return run_program(app, argc, argv, [&] { return bench(options); });
}
