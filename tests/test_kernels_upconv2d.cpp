// StyleGAN2's upsampling convolution, direct and as nested F(3,2), against double precision.
#include "kernels/transform_gemm.h"
#include "support/conv_cases.h"

namespace gpen::test {
namespace {

struct UpCase {
  int64_t n, x, feature, out, h, w;
};
const UpCase kCases[] = {{1, 1, 0, 1, 1, 1},     {1, 16, 0, 16, 4, 4},    {2, 5, 3, 7, 3, 5},    {1, 16, 16, 32, 8, 8},
                         {3, 17, 17, 33, 2, 9},  {1, 32, 32, 48, 13, 14}, {1, 8, 8, 16, 15, 70}, {2, 3, 0, 20, 33, 2},
                         {1, 130, 20, 16, 5, 5}, {1, 256, 24, 32, 3, 4}};
// Several bands of the nested implementation for one thread, for three, for both; 97 and 98 columns are 33 tiles.
const UpCase kBands[] = {
    {1, 16, 0, 16, 100, 29}, {2, 16, 0, 17, 60, 98}, {1, 3, 4, 16, 24, 97}, {1, 16, 0, 16, 47, 95}};
constexpr ConvAlgorithm kAlgorithms[] = {ConvAlgorithm::direct, ConvAlgorithm::nested3x2};

ConvCase make_case(const UpCase& u, Values v, std::mt19937& rng) {
  ConvCase c;
  c.g.in_channels = u.x + u.feature;
  c.g.out_channels = u.out;
  c.x = values(v, u.n, u.x, u.h, u.w, 2, rng);
  if (u.feature > 0) c.feature = values(v, u.n, u.feature, u.h, u.w, 2, rng);
  c.feature_gain = 0.75;
  c.feature_bias = values(v, 1, std::max<int64_t>(1, u.feature), 1, 1, 2, rng).v;
  c.weight = values(v, u.out, c.g.in_channels, 3, 3, 2, rng);
  c.in_scale = values(v, u.n, c.g.in_channels, 1, 1, 2, rng);
  c.out_scale = values(v, u.n, u.out, 1, 1, 2, rng);
  c.bias = values(v, 1, u.out, 1, 1, 2, rng).v;
  c.slope = 0.25;
  c.gain = 2;
  return c;
}

std::string describe(const UpCase& u, ConvAlgorithm a) {
  return concat(u.n, "x", u.x, "+", u.feature, "x", u.h, "x", u.w, " to ", u.out, " ", name_of(a), " on ", isa_name());
}

using UpConv2d = OnEachIsa;
INSTANTIATE_TEST_SUITE_P(Isa, UpConv2d, ::testing::ValuesIn(tested_isas()), isa_of);

// The blur's taps are quarters and nested F(3,2) adds and halves: sums of small integers stay exact in fp32.
TEST_P(UpConv2d, SmallIntegersAreExact) {
  std::mt19937 rng(test_seed(11));
  for (const auto& cases : {std::vector(std::begin(kCases), std::end(kCases)), {std::begin(kBands), std::end(kBands)}})
    for (UpCase u : cases) {
      u.x += u.feature;  // the feature's sqrt2 is not exact
      u.feature = 0;
      const ConvCase c = make_case(u, Values::integers, rng);
      const Tensor right = upconv2d(c).value;
      for (const ConvAlgorithm a : kAlgorithms) {
        SCOPED_TRACE(describe(u, a));
        EXPECT_TRUE(close(right, run_upconv2d(c, {.algorithm = a, .threads = 3}), {.allow_mostly_zero = true}));
        EXPECT_TRUE(close(right, run_upconv2d(c, {.algorithm = a, .threads = 1}), {.allow_mostly_zero = true}));
      }
    }
}

// Measured: at most half of this.
::testing::AssertionResult judge_up(const Tensor& right, const Tensor& actual) {
  return close(right, actual, {.relative = 1.3e-6});
}

TEST_P(UpConv2d, RandomMatchesReference) {
  const uint32_t seed = test_seed(12);
  std::mt19937 rng(seed);
  for (const UpCase& u : kCases) {
    const ConvCase c = make_case(u, Values::uniform, rng);
    const Tensor right = upconv2d(c).value;
    for (const ConvAlgorithm a : kAlgorithms) {
      SCOPED_TRACE(concat(describe(u, a), " GPEN_SEED=", seed));
      EXPECT_TRUE(judge_up(right, run_upconv2d(c, {.algorithm = a})));
    }
  }
}

TEST_P(UpConv2d, ThreadsAndBatchDoNotChangeABit) {
  std::mt19937 rng(test_seed(13));
  for (const auto& cases : {std::vector(std::begin(kCases), std::end(kCases)), {std::begin(kBands), std::end(kBands)}})
    for (const UpCase& u : cases)
      for (const ConvAlgorithm a : kAlgorithms) {
        SCOPED_TRACE(describe(u, a));
        expect_same_bits(make_case(u, Values::uniform, rng), a, Precision::fp32, run_upconv2d);
      }
}

// Large weights: all threads work on one block of tiles.
TEST_P(UpConv2d, SharedScheduleMatchesTheReference) {
  std::mt19937 rng(test_seed(14));
  const UpCase u{1, 288, 16, 288, 5, 4};
  ASSERT_TRUE(plan_transform(kNested3x2, isa_kernels(), 19, 18, 4, 2).shared);
  const ConvCase c = make_case(u, Values::uniform, rng);
  SCOPED_TRACE(describe(u, ConvAlgorithm::nested3x2));
  EXPECT_TRUE(judge_up(upconv2d(c).value, run_upconv2d(c, {.algorithm = ConvAlgorithm::nested3x2})));
}

// Twelve images make more than one such block, each alone is less.
TEST_P(UpConv2d, SharedBlocksAreBitwiseEqual) {
  std::mt19937 rng(test_seed(15));
  const UpCase u{12, 288, 16, 288, 14, 14};  // 25 tiles an image
  const auto plan = [](int64_t tiles) { return plan_transform(kNested3x2, isa_kernels(), 19, 18, tiles, 3); };
  ASSERT_TRUE(plan(300).shared);
  ASSERT_LT(plan(300).block_tiles, 300);
  const ConvCase c = make_case(u, Values::uniform, rng);
  SCOPED_TRACE(describe(u, ConvAlgorithm::nested3x2));
  const ConvRun how{.algorithm = ConvAlgorithm::nested3x2, .threads = 3};
  const Tensor whole = run_upconv2d(c, how);
  EXPECT_EQ(whole.v, run_upconv2d(c, {.algorithm = how.algorithm, .threads = 1}).v) << "one thread";
  for (const int64_t n : {0, 6, 11})
    EXPECT_EQ(batch_item(whole, n).v, run_upconv2d(image_of(c, n), how).v) << "image " << n << " alone";
}

// A constant picture away from the border: gain of the blur (4 zeros-inserted samples) times the kernel's sum.
TEST_P(UpConv2d, ConstantInGivesKernelSum) {
  std::mt19937 rng(test_seed(16));
  ConvCase c = make_case({1, 16, 0, 16, 12, 12}, Values::integers, rng);
  std::fill(c.x.v.begin(), c.x.v.end(), 1.0);
  std::fill(c.bias.begin(), c.bias.end(), 1000.0);  // stay on the linear side
  c.in_scale = c.out_scale = Tensor();
  c.gain = 1;
  for (const ConvAlgorithm a : kAlgorithms) {
    const Tensor y = run_upconv2d(c, {.algorithm = a});
    for (int64_t o = 0; o < 16; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < 16; ++i)
        for (int64_t k = 0; k < 9; ++k) sum += c.weight.at(o, i, k / 3, k % 3);
      EXPECT_EQ(y.at(0, o, 11, 12), 1000 + sum) << name_of(a);
    }
  }
}

TEST_P(UpConv2d, NanReachesTheOutputsThatReadIt) {
  std::mt19937 rng(test_seed(17));
  ConvCase c = make_case({1, 16, 0, 16, 24, 24}, Values::uniform, rng);
  c.x.at(0, 3, 12, 12) = std::nan("");
  const Tensor right = upconv2d(c).value;
  for (const ConvAlgorithm a : kAlgorithms) {
    const Tensor y = run_upconv2d(c, {.algorithm = a});
    int64_t nans = 0;
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t k = 0; k < y.w; ++k) {
        if (std::isnan(right.at(0, 7, i, k))) {
          EXPECT_TRUE(std::isnan(y.at(0, 7, i, k))) << name_of(a) << i << ", " << k;
        }
        nans += std::isnan(y.at(0, 7, i, k));
      }
    // Four tiles of 6 x 6 at most, and what the blur adds around them.
    EXPECT_LE(nans, 15 * 15) << name_of(a);
  }
}

TEST(UpConv2dWeights, AutomaticChoosesByChannels) {
  ThreadPool pool(1);
  const std::vector<float> weight(32 * 32 * 9, 1.f);
  const auto chosen = [&](int64_t in, int64_t out) {
    const auto w = UpConv2dWeights::pack(in, out, weight.data(), 1, {}, pool);
    EXPECT_TRUE(w.ok());
    return w.ok() ? w->algorithm() : ConvAlgorithm::automatic;
  };
  EXPECT_EQ(chosen(32, 32), ConvAlgorithm::nested3x2);
  EXPECT_EQ(chosen(31, 32), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(32, 31), ConvAlgorithm::direct);
}

TEST(UpConv2dWeights, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  const std::vector<float> w(9 * 4, 1.f);
  EXPECT_EQ(UpConv2dWeights::pack(0, 4, w.data(), 1, {}, pool).status().code(), Code::usage);
  EXPECT_EQ(UpConv2dWeights::pack(1, 4, w.data(), 1, {1, 2}, pool).status().code(), Code::usage);
  EXPECT_EQ(UpConv2dWeights::pack(1, 4, w.data(), 1, {}, pool, 0, ConvAlgorithm::winograd4x4).status().code(),
            Code::usage);
}

}  // namespace
}  // namespace gpen::test
