// Times the stride-1 3x3 convolutions of a problem file with every algorithm, against the multiply-add peak of the same
// machine measured in the same run. Every result is checked against a double-precision sum at random positions before
// it is timed.
//
//   bench_conv2d [--threads N] [--reps N] [--json FILE] [problem file]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "kernels/conv2d.h"
#include "kernels/isa.h"

namespace {

using namespace gpen;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Floating-point operations per second of all threads in a register-only loop; the best of a few runs.
double measure_peak(ThreadPool& pool) {
  double best = 0;
  for (int r = 0; r < 5; ++r) {
    std::vector<double> operations(static_cast<size_t>(pool.size()));
    const auto start = Clock::now();
    pool.parallel_for(pool.size(),
                      [&](int64_t i, int) { operations[static_cast<size_t>(i)] = isa_kernels().fma_peak(4'000'000); });
    double sum = 0;
    for (double o : operations) sum += o;
    best = std::max(best, sum / seconds_since(start));
  }
  return best;
}

struct Problem {
  std::string name;
  int64_t in, feature, out, side;
};

struct Data {
  std::vector<float> weight, bias, style, demodulation, feature_bias;
  AlignedBuffer x, feature, y;
};

float noise(std::mt19937& rng) { return std::uniform_real_distribution<float>(-1, 1)(rng); }

Data make_data(const Problem& p, std::mt19937& rng) {
  Data d;
  auto fill = [&](std::vector<float>& v, int64_t n, float offset, float scale) {
    v.resize(static_cast<size_t>(n));
    for (float& f : v) f = offset + scale * noise(rng);
  };
  auto buffer = [&](int64_t channels) {
    AlignedBuffer b(static_cast<size_t>(channels * p.side * p.side) * sizeof(float));
    for (int64_t i = 0; i < channels * p.side * p.side; ++i) b.floats()[i] = noise(rng);
    return b;
  };
  fill(d.weight, p.in * p.out * 9, 0, 1 / std::sqrt(3.f * static_cast<float>(p.in)));
  fill(d.bias, p.out, 0, 0.1f);
  fill(d.style, p.in, 1, 0.2f);
  fill(d.demodulation, p.out, 1, 0.2f);
  fill(d.feature_bias, p.feature, 0, 0.1f);
  d.x = buffer(p.in - p.feature);
  d.feature = buffer(p.feature);
  d.y = buffer(p.out);
  return d;
}

// Largest error over the root mean square at 64 random positions, the corners among them.
double check(const Problem& p, const Data& d, const ConvInput& in, const TensorView& y, std::mt19937& rng) {
  auto blocked = [&](const TensorView& t, int64_t c, int64_t i, int64_t j) {
    return static_cast<double>(t.block(0, c / kBlock)[(i * p.side + j) * kBlock + c % kBlock]);
  };
  double worst = 0, squares = 0;
  for (int n = 0; n < 64; ++n) {
    const int64_t o = static_cast<int64_t>(rng() % static_cast<uint64_t>(p.out));
    const int64_t i = n < 4 ? (n / 2) * (p.side - 1) : static_cast<int64_t>(rng() % static_cast<uint64_t>(p.side));
    const int64_t j = n < 4 ? (n % 2) * (p.side - 1) : static_cast<int64_t>(rng() % static_cast<uint64_t>(p.side));
    double sum = 0;
    for (int64_t c = 0; c < p.in; ++c)
      for (int k = 0; k < 9; ++k) {
        const int64_t y0 = i + k / 3 - 1, x0 = j + k % 3 - 1;
        if (y0 < 0 || x0 < 0 || y0 >= p.side || x0 >= p.side) continue;
        double v = c < p.in - p.feature ? blocked(in.x, c, y0, x0) : blocked(in.feature, c - in.x.c, y0, x0);
        if (c >= in.x.c) {
          v = v * in.feature_gain + d.feature_bias[static_cast<size_t>(c - in.x.c)];
          v = (v > 0 ? v : 0.2 * v) * std::sqrt(2.0);
        }
        sum += v * d.style[static_cast<size_t>(c)] * d.weight[static_cast<size_t>((o * p.in + c) * 9 + k)];
      }
    sum = sum * d.demodulation[static_cast<size_t>(o)] + d.bias[static_cast<size_t>(o)];
    sum = (sum > 0 ? sum : 0.2 * sum) * std::sqrt(2.0);
    worst = std::max(worst, std::abs(sum - blocked(y, o, i, j)));
    squares += sum * sum;
  }
  return worst / std::sqrt(squares / 64);
}

std::vector<Problem> read_problems(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "bench_conv2d: cannot read %s\n", path.c_str());
    std::exit(4);
  }
  std::vector<Problem> problems;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Problem p;
    if (words >> p.name >> p.in >> p.feature >> p.out >> p.side) problems.push_back(p);
  }
  return problems;
}

}  // namespace

int main(int argc, char** argv) {
  int threads = 0, reps = 7;
  std::string json_path, path = std::string(GPEN_SOURCE_DIR) + "/bench/problems/gpen_512.txt";
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--threads" && i + 1 < argc)
      threads = std::atoi(argv[++i]);
    else if (a == "--reps" && i + 1 < argc)
      reps = std::max(1, std::atoi(argv[++i]));
    else if (a == "--json" && i + 1 < argc)
      json_path = argv[++i];
    else
      path = a;
  }
  ThreadPool pool(threads);
  std::ostringstream json;
  const double peak = measure_peak(pool);
  std::printf("%s, %d threads, multiply-add peak %.1f GFLOP/s\n", isa_name(), pool.size(), peak / 1e9);
  std::printf("%-10s %-12s %9s %9s %12s %11s %9s %8s\n", "layer", "algorithm", "min ms", "median", "direct GF/s",
              "true GF/s", "of peak", "error");
  bool good = true;
  std::mt19937 rng(1);
  for (const Problem& p : read_problems(path)) {
    Data d = make_data(p, rng);
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4}) {
      ConvGeometry g;
      g.in_channels = p.in;
      g.out_channels = p.out;
      auto packed =
          Conv2dWeights::pack(g, d.weight.data(), 1, d.bias, pool, algorithm, p.feature > 0 ? p.in - p.feature : 0);
      if (!packed.ok()) {
        std::fprintf(stderr, "%s\n", packed.status().message().c_str());
        return 1;
      }
      ConvInput in;
      in.x = make_view(d.x.floats(), 1, p.in - p.feature, p.side, p.side, Layout::nchw16c);
      in.in_scale = d.style.data();
      in.feature = make_view(d.feature.floats(), 1, p.feature, p.side, p.side, Layout::nchw16c);
      in.feature_gain = 0.7f;
      in.feature_bias = d.feature_bias.data();
      ConvEpilogue ep;
      ep.out_scale = d.demodulation.data();
      ep.slope = 0.2f;
      ep.gain = 1.41421356f;
      const TensorView y = make_view(d.y.floats(), 1, p.out, p.side, p.side, Layout::nchw16c);
      Workspace ws;
      Exec exec{pool, ws};
      ws.begin_plan();
      conv2d(exec, *packed, in, ep, y);
      if (!ws.finish_plan().ok()) return 6;
      auto once = [&] {
        ws.begin_run();
        const auto start = Clock::now();
        conv2d(exec, *packed, in, ep, y);
        return seconds_since(start);
      };
      once();
      const double error = check(p, d, in, y, rng);
      if (!(error < 2e-5)) good = false;
      std::vector<double> times;
      for (int r = 0; r < reps; ++r) times.push_back(once());
      std::sort(times.begin(), times.end());
      const double flop = 18.0 * static_cast<double>(p.in * p.out * p.side * p.side);
      const double rate = flop / times[0], real = algorithm == ConvAlgorithm::winograd4x4 ? rate / 4 : rate;
      std::printf("%-10s %-12s %9.2f %9.2f %12.1f %11.1f %8.0f%% %8.1e\n", p.name.c_str(), name_of(algorithm),
                  times[0] * 1e3, times[times.size() / 2] * 1e3, rate / 1e9, real / 1e9, 100 * rate / peak, error);
      json << (json.tellp() > 0 ? "," : "") << "{\"layer\":\"" << p.name << "\",\"algorithm\":\"" << name_of(algorithm)
           << "\",\"threads\":" << pool.size() << ",\"min_ms\":" << times[0] * 1e3
           << ",\"median_ms\":" << times[times.size() / 2] * 1e3 << ",\"direct_gflops\":" << rate / 1e9
           << ",\"true_gflops\":" << real / 1e9 << ",\"peak_gflops\":" << peak / 1e9 << ",\"error\":" << error << "}";
    }
  }
  if (!json_path.empty())
    std::ofstream(json_path) << "{\"isa\":\"" << isa_name() << "\",\"results\":[" << json.str() << "]}\n";
  if (!good) std::printf("a result is wrong: the times above mean nothing\n");
  return good ? 0 : 1;
}
