// The benchmarks of bench/: problem files, the counting of multiplications, the check before the timing, the program.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench/check.h"
#include "kernels/isa.h"
#include "support/command.h"
#include "weights/architecture.h"

namespace gpen::bench {
namespace {

using test::CommandLine;
using test::CommandResult;

std::vector<Problem> problems_of(const GpenArch& a) {
  std::vector<Problem> problems;
  const int levels = a.encoder_levels();
  for (int k = 1; k < levels; ++k) {
    const auto level = static_cast<size_t>(levels - 1 - k);
    problems.push_back({Kind::down, "ecd" + std::to_string(k), a.encoder_channels[level + 1], 0,
                        a.encoder_channels[level], int64_t{8} << level, k == 1});
  }
  problems.push_back({Kind::conv, "conv1@4", a.channels[0], 0, a.channels[0], 4});
  for (size_t i = 1; i < a.channels.size(); ++i) {
    const int64_t in = a.channels[i - 1], out = a.channels[i], side = int64_t{4} << i;
    problems.push_back({Kind::up, "conv1@" + std::to_string(side), 2 * in, in, out, side / 2});
    problems.push_back({Kind::conv, "conv2@" + std::to_string(side), 2 * out, out, out, side, side == a.in_size});
  }
  return problems;
}

std::string line_of(const Problem& p) {
  return concat(name_of(p.kind), " ", p.name, " ", p.in, " ", p.feature, " ", p.out, " ", p.side,
                p.stem ? " stem" : "");
}

TEST(BenchProblems, FilesAreTheNetworks) {
  for (const char* size : {"256", "512", "1024"}) {
    const auto read = read_problems(concat(GPEN_SOURCE_DIR, "/bench/problems/gpen_", size, ".txt"));
    ASSERT_TRUE(read.ok()) << read.status().message();
    const auto arch = parse_architecture(concat("gpen-bfr-", size));
    ASSERT_TRUE(arch.ok());
    const std::vector<Problem> expected = problems_of(std::get<GpenArch>(*arch));
    ASSERT_EQ(read->size(), expected.size()) << size;
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(line_of((*read)[i]), line_of(expected[i])) << size;
  }
}

TEST(BenchProblems, WrongLinesAreNamed) {
  const test::TemporaryFolder folder;
  const std::string path = (folder / "p.txt").string();
  for (const char* line :
       {"conv a 16 0 16", "conv a 16 0 16 8 9", "conv a 16 0 16 8 stem 9", "deconv a 16 0 16 8", "conv a 0 0 16 8",
        "conv a 16 16 16 8", "conv a 16 -1 16 8", "conv a 16 0 16 0", "conv a 16 0 99999 8", "down a 16 0 16 7",
        "down a 16 8 16 8", "conv a 16 0 16 8x", "conv a b 0 16 8"}) {
    test::write_text(path, concat("# comment\n\nconv good 16 0 16 8\n", line, "\n"));
    const auto read = read_problems(path);
    ASSERT_FALSE(read.ok()) << line;
    EXPECT_EQ(read.status().code(), Code::usage) << line;
    EXPECT_EQ(read.status().message().rfind(path + ":4: ", 0), 0u) << read.status().message();
  }
  test::write_text(path, "# nothing\n");
  EXPECT_EQ(read_problems(path).status().code(), Code::usage);
  EXPECT_EQ(read_problems((folder / "none").string()).status().code(), Code::io);
}

TEST(BenchProblems, MultiplicationsByHand) {
  const Problem conv{Kind::conv, "c", 2, 0, 3, 9}, down{Kind::down, "d", 2, 0, 3, 16}, up{Kind::up, "u", 2, 0, 3, 5};
  EXPECT_EQ(direct_multiplies(conv), 6 * 81 * 9);
  EXPECT_EQ(true_multiplies(conv, ConvAlgorithm::direct), 6 * 81 * 9);
  EXPECT_EQ(true_multiplies(conv, ConvAlgorithm::winograd4x4), 6 * 9 * 36);  // 3x3 tiles of 4x4
  EXPECT_EQ(direct_multiplies(down), 6 * 64 * 9);
  EXPECT_EQ(true_multiplies(down, ConvAlgorithm::nested3x2), 6 * 9 * 49);  // 3x3 tiles of 3x3
  EXPECT_EQ(direct_multiplies(up), 6 * 25 * 9);
  // 6x6 positions with 4 taps, twice 6x5 with 2, 5x5 with 1.
  EXPECT_EQ(true_multiplies(up, ConvAlgorithm::direct), 6 * (36 * 4 + 2 * 30 * 2 + 25));
  EXPECT_EQ(true_multiplies(up, ConvAlgorithm::nested3x2), 6 * 4 * 49);  // 2x2 tiles over 6x6 positions
}

// Sides around the windows of the check, whole and cut off, and channels that leave blocks half full.
const std::vector<Problem>& checked_problems() {
  static const std::vector<Problem> problems = {
      {Kind::conv, "a", 40, 16, 24, 9, true}, {Kind::down, "i", 20, 0, 24, 16, true},
      {Kind::up, "j", 40, 20, 24, 9, true},   {Kind::conv, "b", 40, 16, 24, 8},
      {Kind::conv, "c", 52, 20, 35, 21},      {Kind::down, "d", 20, 0, 24, 12},
      {Kind::down, "e", 33, 0, 36, 26},       {Kind::up, "f", 40, 16, 24, 3},
      {Kind::up, "g", 52, 20, 35, 13},        {Kind::conv, "h", 40, 0, 40, 5}};
  return problems;
}

TEST(BenchCheck, AcceptsEveryAlgorithm) {
  ThreadPool pool(2);
  for (const Problem& p : checked_problems())
    for (const bool bare : {false, true}) {
      auto data = make_layer_data(p, bare, pool);
      ASSERT_TRUE(data.ok());
      const std::vector<Sample> samples = reference_samples(*data);
      int able = 0;
      for (const ConvAlgorithm algorithm : kAlgorithms) {
        auto layer = Layer::make(*data, algorithm, pool);
        if (!layer.ok()) {
          EXPECT_EQ(layer.status().code(), Code::usage);
          continue;
        }
        ++able;
        EXPECT_EQ(layer->algorithm(), algorithm);
        poison(data->y);
        layer->run();
        EXPECT_LT(sampled_error(samples, data->y), error_limit(p)) << p.name << " " << name_of(algorithm);
      }
      EXPECT_EQ(able, 2) << p.name;
    }
}

TEST(BenchCheck, RefusesWrongResults) {
  ThreadPool pool(2);
  for (const Problem& p : checked_problems()) {
    auto data = make_layer_data(p, false, pool);
    ASSERT_TRUE(data.ok());
    const std::vector<Sample> samples = reference_samples(*data);
    auto layer = Layer::make(*data, ConvAlgorithm::direct, pool);
    ASSERT_TRUE(layer.ok());
    layer->run();
    // Corners are always looked at.
    const TensorView y = data->y;
    for (const int64_t pixel : {int64_t{0}, y.w - 1, (y.h - 1) * y.w, y.h * y.w - 1}) {
      float& value = y.block(0, 0)[pixel * kBlock];
      const float right = value;
      value += 0.01f;
      EXPECT_GT(sampled_error(samples, y), error_limit(p)) << p.name << " pixel " << pixel;
      value = right;
    }
    // What is not a number is seen anywhere.
    y.data[y.image_size() / 2] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isinf(sampled_error(samples, y))) << p.name;
  }
}

class BenchProgram : public testing::Test {
 protected:
  CommandLine bench{GPEN_BENCH_CONV2D};
  void SetUp() override {
    test::write_text(bench / "p.txt",
                     "down half 32 0 32 16 stem\nup twice 64 32 32 8\n"
                     "conv same 64 32 32 16\n");
  }
};

TEST_F(BenchProgram, ReportsEveryLayerAndAlgorithm) {
  const CommandResult result = bench({"--problems", "p.txt", "--threads", "2", "--reps", "2", "--json", "-"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("sum of 3 layers"), std::string::npos) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["machine"]["threads"], 2);
  for (const char* ceiling : {"peak_1_gflops", "peak_gflops", "read_gb_s", "copy_gb_s"})
    EXPECT_GT(json["machine"][ceiling].get<double>(), 0) << ceiling;
  std::map<std::string, int> rows, automatic;
  for (const auto& row : json["results"]) {
    ++rows[row["layer"]];
    automatic[row["layer"]] += row["automatic"].get<bool>() ? 1 : 0;
    EXPECT_GT(row["min_ms"].get<double>(), 0);
    EXPECT_LE(row["min_ms"].get<double>(), row["median_ms"].get<double>());
    const Problem p{row["kind"] == "up"     ? Kind::up
                    : row["kind"] == "down" ? Kind::down
                                            : Kind::conv,
                    row["layer"],
                    row["in"],
                    row["feature"],
                    row["out"],
                    row["side"]};
    EXPECT_NEAR(row["direct_gflops"].get<double>() * row["min_ms"].get<double>(), 2e-6 * direct_multiplies(p), 1e-9);
    EXPECT_NEAR(row["true_of_peak"].get<double>() * json["machine"]["peak_gflops"].get<double>(),
                row["true_gflops"].get<double>(), 1e-6);
  }
  EXPECT_EQ(rows, (std::map<std::string, int>{{"half", 2}, {"twice", 2}, {"same", 2}}));
  for (const auto& [layer, count] : automatic) EXPECT_EQ(count, 1) << layer;
}

TEST_F(BenchProgram, ForcesAlgorithmAndFilter) {
  const std::string isa = available_isas().back();
  const CommandResult result = bench({"--problems", "p.txt", "--reps", "1", "--algorithm", "direct", "--isa", isa,
                                      "--filter", "half", "--json", "r.json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(test::read_text(bench / "r.json"));
  EXPECT_EQ(json["machine"]["isa"], isa);
  ASSERT_EQ(json["results"].size(), 1u);
  EXPECT_EQ(json["results"][0]["layer"], "half");
  EXPECT_EQ(json["results"][0]["algorithm"], "direct");
}

TEST_F(BenchProgram, WrongUseIsRefused) {
  const std::vector<std::pair<int, std::vector<std::string>>> wrong = {
      {2, {"--bogus"}},
      {2, {"p.txt"}},
      {2, {"--reps", "0"}},
      {2, {"--threads", "many"}},
      {2, {"--algorithm", "fft"}},
      {2, {"--precision", "int8"}},
      {2, {"--precision", "bf16", "--filter", "half"}},
      {2, {"--filter", "nothing"}},
      {2, {"--algorithm", "nested3x2", "--filter", "same"}},
      {5, {"--isa", "mmx"}},
      {4, {"--problems", "missing.txt"}},
      {4, {"--filter", "half", "--reps", "1", "--json", "no-such-folder/r.json"}}};
  for (const auto& [code, options] : wrong) {
    std::vector<std::string> arguments = options;
    if (options[0] != "--problems") arguments.insert(arguments.end(), {"--problems", "p.txt"});
    const CommandResult result = bench(arguments);
    EXPECT_EQ(result.code, code) << options[0] << "\n" << result.err;
    EXPECT_FALSE(result.err.empty()) << options[0];
  }
}

}  // namespace
}  // namespace gpen::bench
