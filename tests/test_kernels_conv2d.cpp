// conv2d: every geometry, algorithm and instruction set against the double-precision reference.
#include <cmath>

#include "kernels/isa.h"
#include "support/conv_runner.h"
#include "support/kernel_cases.h"

namespace gpen::test {
namespace {

struct Geometry {
  const char* name;
  int kernel, stride, pad;
  PadMode mode = PadMode::zero;
  int upsample = 1, blur_pad = 0;
};
const Geometry kGeometries[] = {
    {"1x1", 1, 1, 0},
    {"1x1 stride 2", 1, 2, 0},
    {"3x3", 3, 1, 1},
    {"3x3 no pad", 3, 1, 0},
    {"3x3 stride 2", 3, 2, 1},
    {"7x7 stride 2", 7, 2, 3},
    {"3x3 reflect", 3, 1, 1, PadMode::reflect},
    {"3x3 reflect stride 2", 3, 2, 1, PadMode::reflect},
    {"3x3 enlarged", 3, 1, 1, PadMode::zero, 2},
    {"3x3 enlarged reflect", 3, 1, 1, PadMode::reflect, 2},
    {"3x3 blurred", 3, 2, 0, PadMode::zero, 1, 2},
    {"1x1 blurred", 1, 2, 0, PadMode::zero, 1, 1},
};
struct Channels {
  int64_t in, out;
};
const Channels kChannels[] = {{1, 1}, {3, 16}, {15, 17}, {16, 32}, {17, 33}, {33, 48}, {48, 65}, {32, 15}};

bool fits(const Geometry& g, int64_t h, int64_t w) {
  const int64_t smallest = g.mode == PadMode::reflect ? 2 : 1;  // a single row has nothing to mirror
  const auto padded = [&](int64_t s) { return s * g.upsample + 2 * g.pad + (g.blur_pad > 0 ? 2 * g.blur_pad - 3 : 0); };
  return h * g.upsample >= smallest && w * g.upsample >= smallest && padded(h) >= g.kernel && padded(w) >= g.kernel;
}

enum class Values { integers, uniform };

Tensor values(Values v, int64_t n, int64_t c, int64_t h, int64_t w, int limit, std::mt19937& rng) {
  return v == Values::integers ? random_integers(n, c, h, w, limit, rng) : random_uniform(n, c, h, w, -1, 1, rng);
}

ConvCase plain_case(const Geometry& g, Channels ch, Size s, Values v, std::mt19937& rng) {
  ConvCase c;
  c.g = {.in_channels = ch.in, .out_channels = ch.out, .kernel_h = g.kernel, .kernel_w = g.kernel};
  c.g.stride = g.stride;
  c.g.pad = g.pad;
  c.g.pad_mode = g.mode;
  c.g.upsample = g.upsample;
  c.g.blur_pad = g.blur_pad;
  c.weight = values(v, ch.out, ch.in, g.kernel, g.kernel, 3, rng);
  c.bias = values(v, 1, ch.out, 1, 1, 9, rng).v;
  c.x = values(v, s.n, ch.in, s.h, s.w, 4, rng);
  c.slope = 0.25;
  c.gain = 2;
  return c;
}

// Everything conv2d.h offers at once: two scales, the feature half, both residuals.
ConvCase full_case(const Geometry& g, Channels ch, int64_t feature, Size s, Values v, std::mt19937& rng) {
  ConvCase c = plain_case(g, {ch.in + feature, ch.out}, s, v, rng);
  const bool exact = v == Values::integers;
  c.scale = exact ? 0.5 : 0.37f;
  c.x = values(v, s.n, ch.in, s.h, s.w, 4, rng);
  c.in_scale = values(v, s.n, ch.in + feature, 1, 1, 2, rng);
  if (feature > 0) {
    c.feature = values(v, s.n, feature, s.h, s.w, 4, rng);
    c.feature_gain = exact ? 2 : 0.7f;
    c.feature_bias = values(v, 1, feature, 1, 1, 3, rng).v;
  }
  const int64_t h = c.g.out_size(s.h, g.kernel), w = c.g.out_size(s.w, g.kernel);
  c.out_scale = values(v, s.n, ch.out, 1, 1, 2, rng);
  c.residual = values(v, s.n, ch.out, h, w, 9, rng);
  c.residual2 = values(v, s.n, ch.out, h, w, 9, rng);
  c.residual_slope = 0.5;
  c.gain2 = 0.25;
  return c;
}

std::string describe(const ConvCase& c, const char* geometry, const char* isa) {
  return concat(geometry, " ", c.x.n, "x", c.x.c, "+", c.feature.c, "x", c.x.h, "x", c.x.w, " to ", c.g.out_channels,
                " channels on ", isa);
}

// Rounding errors of a sum of K products grow like its square root when they do not conspire; the constant covers the
// scales, bias and residuals. Measured over all cases below: at most two thirds of this.
double direct_k(const ConvCase& c) {
  return 4 + std::sqrt(static_cast<double>(c.g.in_channels * c.g.kernel_h * c.g.kernel_w)) / 4;
}
// Winograd spreads the errors of a whole 6x6 patch over its outputs, so they are measured against the largest sum of
// the picture. Measured: at most half of this.
constexpr double kWinogradFactor = 3;

Tensor filled_with_largest(Tensor magnitude) {
  double largest = 0;
  for (double m : magnitude.v) largest = std::max(largest, m);
  for (double& m : magnitude.v) m = largest;
  return magnitude;
}

::testing::AssertionResult judge(const ConvCase& c, const Judged& j, ConvAlgorithm algorithm, const Tensor& actual) {
  if (algorithm != ConvAlgorithm::winograd4x4)
    return close(j.value, actual, {.k_eps = direct_k(c), .magnitude = &j.magnitude, .allow_mostly_zero = true});
  const Tensor magnitude = filled_with_largest(j.magnitude);
  return close(j.value, actual,
               {.k_eps = kWinogradFactor * direct_k(c), .magnitude = &magnitude, .allow_mostly_zero = true});
}

// Every test runs once for each instruction set of this machine.
class Conv2d : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_isa(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(force_isa(available_isas().front()).ok()); }
  const char* isa() const { return isa_name(); }
};
INSTANTIATE_TEST_SUITE_P(Isa, Conv2d, ::testing::ValuesIn(available_isas()), [](const auto& i) { return i.param; });

TEST_P(Conv2d, SmallIntegersAreExact) {
  std::mt19937 rng(41);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const Channels ch = kChannels[turn++ % std::size(kChannels)];
      const ConvCase c = plain_case(g, ch, s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g.name, isa()));
      EXPECT_TRUE(
          close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::direct}), {.allow_mostly_zero = true}));
    }
}

TEST_P(Conv2d, ScalesAndResidualsAreExactOnSmallIntegers) {
  std::mt19937 rng(42);
  for (const Geometry& g : kGeometries) {
    const ConvCase c = full_case(g, {16, 33}, 0, {2, 0, 8, 9}, Values::integers, rng);
    SCOPED_TRACE(describe(c, g.name, isa()));
    EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::direct}), {}));
  }
}

// Around the micro-kernel's rows, the direct tile (4 x rows, 256 pixels) and Winograd's 28 tiles of 4 x 4.
const Size kTileSizes[] = {{1, 0, 5, 13},  {1, 0, 4, 14},  {1, 0, 6, 57},  {1, 0, 5, 71},  {1, 0, 19, 29},
                           {1, 0, 4, 112}, {1, 0, 9, 113}, {2, 0, 33, 12}, {1, 0, 29, 31}, {1, 0, 1, 40}};

TEST_P(Conv2d, TilesDirect) {
  std::mt19937 rng(43);
  for (const Size& s : kTileSizes)
    for (const Geometry* g : {&kGeometries[2], &kGeometries[4]}) {
      const ConvCase c = plain_case(*g, {16, 16}, s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g->name, isa()));
      EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::direct}), {}));
    }
}

TEST_P(Conv2d, TilesWinograd) {
  std::mt19937 rng(44);
  for (const Size& s : kTileSizes) {
    const ConvCase c = plain_case(kGeometries[2], {16, 16}, s, Values::uniform, rng);
    SCOPED_TRACE(describe(c, "3x3", isa()));
    const Judged j = conv2d(c);
    EXPECT_TRUE(judge(c, j, ConvAlgorithm::winograd4x4, run_conv2d(c, {.algorithm = ConvAlgorithm::winograd4x4})));
  }
}

TEST_P(Conv2d, RandomEveryGeometry) {
  const uint32_t seed = test_seed(45);
  std::mt19937 rng(seed);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const Channels ch = kChannels[turn++ % std::size(kChannels)];
      const ConvCase c = plain_case(g, ch, s, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      const Judged j = conv2d(c);
      EXPECT_TRUE(judge(c, j, ConvAlgorithm::direct, run_conv2d(c, {.algorithm = ConvAlgorithm::direct})));
      if (g.kernel != 3 || g.stride != 1 || g.pad != 1) continue;
      EXPECT_TRUE(judge(c, j, ConvAlgorithm::winograd4x4, run_conv2d(c, {.algorithm = ConvAlgorithm::winograd4x4})));
    }
}

TEST_P(Conv2d, RandomWithFeatureScalesAndResiduals) {
  const uint32_t seed = test_seed(46);
  std::mt19937 rng(seed);
  for (const Geometry& g : kGeometries)
    for (const int64_t feature : {0, 16, 24}) {
      const ConvCase c = full_case(g, {32, 40}, feature, {2, 0, 7, 10}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      const Judged j = conv2d(c);
      for (const bool in_place : {false, true})
        EXPECT_TRUE(judge(c, j, ConvAlgorithm::direct,
                          run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .in_place = in_place})));
      if (g.kernel != 3 || g.stride != 1 || g.pad != 1) continue;
      for (const bool in_place : {false, true})
        EXPECT_TRUE(judge(c, j, ConvAlgorithm::winograd4x4,
                          run_conv2d(c, {.algorithm = ConvAlgorithm::winograd4x4, .in_place = in_place})));
    }
}

TEST_P(Conv2d, ResidualsOneAtATimeAndInPlace) {
  std::mt19937 rng(47);
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4})
    for (const bool second : {false, true}) {
      ConvCase c = full_case(kGeometries[2], {32, 32}, 0, {2, 0, 9, 11}, Values::uniform, rng);
      (second ? c.residual : c.residual2) = Tensor();
      if (second) c.residual_slope = 1;
      const Judged j = conv2d(c);
      EXPECT_TRUE(judge(c, j, algorithm, run_conv2d(c, {.algorithm = algorithm, .in_place = true})))
          << name_of(algorithm);
    }
}

TEST_P(Conv2d, BatchesThreadsAndRunsAreBitwiseEqual) {
  std::mt19937 rng(48);
  for (const Geometry& g : kGeometries)
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4}) {
      if (algorithm == ConvAlgorithm::winograd4x4 && (g.kernel != 3 || g.stride != 1 || g.pad != 1)) continue;
      const ConvCase c = full_case(g, {48, 80}, 16, {3, 0, 9, 18}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " ", name_of(algorithm)));
      const Tensor one = run_conv2d(c, {.algorithm = algorithm, .threads = 1});
      EXPECT_EQ(one.v, run_conv2d(c, {.algorithm = algorithm, .threads = 1}).v) << "second run";
      EXPECT_EQ(one.v, run_conv2d(c, {.algorithm = algorithm, .threads = 2, .slices = false}).v) << "two threads";
      EXPECT_EQ(one.v, run_conv2d(c, {.algorithm = algorithm, .threads = 5}).v) << "five threads";
      for (int64_t n = 0; n < 3; ++n)
        EXPECT_EQ(batch_item(one, n).v, run_conv2d(image_of(c, n), {.algorithm = algorithm, .threads = 2}).v)
            << "image " << n << " alone";
    }
}

TEST_P(Conv2d, ConstantInputGivesTheSumOfTheWeights) {
  std::mt19937 rng(49);
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4}) {
    ConvCase c = plain_case(kGeometries[6], {32, 32}, {1, 0, 13, 14}, Values::uniform, rng);  // reflect: no border
    c.x = Tensor(1, 32, 13, 14, 0.5);
    const Tensor y = run_conv2d(c, {.algorithm = algorithm});
    const Judged j = conv2d(c);
    EXPECT_TRUE(judge(c, j, algorithm, y)) << name_of(algorithm);
    for (int64_t o = 0; o < 32; ++o)
      EXPECT_NEAR(y.at(0, o, 0, 0), y.at(0, o, 6, 6), 1e-4 * j.magnitude.at(0, o, 0, 0)) << name_of(algorithm);
  }
}

TEST_P(Conv2d, NanAndInfinityReachTheOutputsThatReadThem) {
  std::mt19937 rng(50);
  ConvCase c = plain_case(kGeometries[2], {16, 16}, {1, 0, 9, 9}, Values::uniform, rng);
  c.slope = c.gain = 1;
  c.x.at(0, 3, 4, 4) = std::nan("");
  const Tensor y = run_conv2d(c, {.algorithm = ConvAlgorithm::direct});
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t k = 0; k < 9; ++k)
      EXPECT_EQ(std::isnan(y.at(0, 7, i, k)), std::abs(i - 4) <= 1 && std::abs(k - 4) <= 1) << i << ", " << k;
}

TEST(Conv2dWeights, AutomaticChoosesByGeometry) {
  ThreadPool pool(1);
  const std::vector<float> weight(64 * 64 * 9, 1.0f);
  const auto chosen = [&](int64_t channels, int stride) {
    ConvGeometry g{.in_channels = channels, .out_channels = channels};
    g.stride = stride;
    const auto w = Conv2dWeights::pack(g, weight.data(), 1, {}, pool);
    EXPECT_TRUE(w.ok());
    return w->algorithm();
  };
  EXPECT_EQ(chosen(64, 1), ConvAlgorithm::winograd4x4);
  EXPECT_EQ(chosen(64, 2), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(3, 1), ConvAlgorithm::direct);
}

TEST(Conv2dWeights, RefusesWhatItCannotDo) {
  ThreadPool pool(1);
  const std::vector<float> weight(16 * 16 * 9, 1.0f);
  const auto code = [&](auto change, ConvAlgorithm algorithm, size_t biases) {
    ConvGeometry g{.in_channels = 16, .out_channels = 16};
    change(g);
    return Conv2dWeights::pack(g, weight.data(), 1, std::vector<float>(biases), pool, algorithm).status().code();
  };
  const auto same = [](ConvGeometry&) {};
  EXPECT_EQ(code(same, ConvAlgorithm::winograd4x4, 16), Code::ok);
  EXPECT_EQ(code(same, ConvAlgorithm::automatic, 15), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.stride = 2; }, ConvAlgorithm::winograd4x4, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.stride = 3; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.upsample = 4; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.blur_pad = 2; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.in_channels = 0; }, ConvAlgorithm::automatic, 0), Code::usage);
}

}  // namespace
}  // namespace gpen::test
