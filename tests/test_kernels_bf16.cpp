// conv2d and upconv2d with weights and inputs in bf16.
#include <bit>

#include "support/conv_cases.h"

namespace gpen::test {
namespace {

constexpr Precision kBf16 = Precision::bf16;

double to_bf16_value(double v) {
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(v));
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
}

// Weights and inputs are bf16 values already; the scales that follow the sums are not. The scales before them are
// powers of two.
ConvCase representable(ConvCase c) {
  c.x = map(c.x, to_bf16_value);
  c.weight = map(c.weight, to_bf16_value);
  if (!c.in_scale.empty()) c.in_scale = map(c.in_scale, [](double v) { return v < 0 ? -0.5 : 2.0; });
  c.scale = 1;
  return c;
}

// rms of the difference over rms of the right values.
double relative_rms(const Tensor& right, const Tensor& actual) {
  double error = 0, whole = 0;
  for (size_t i = 0; i < right.v.size(); ++i) {
    error += (actual.v[i] - right.v[i]) * (actual.v[i] - right.v[i]);
    whole += right.v[i] * right.v[i];
  }
  return std::sqrt(error / whole);
}

std::vector<Geometry> bf16_geometries() {
  std::vector<Geometry> out;
  for (const Geometry& g : kGeometries)
    if (g.blur_pad == 0) out.push_back(g);
  return out;
}

using Bf16 = OnEachIsa;
INSTANTIATE_TEST_SUITE_P(Isa, Bf16, ::testing::ValuesIn(tested_isas()), isa_of);

TEST_P(Bf16, DirectIsExactOnSmallIntegers) {
  std::mt19937 rng(71);
  size_t turn = 0;
  for (const Geometry& g : bf16_geometries())
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const ConvCase c = plain_case(g, kChannels[turn++ % std::size(kChannels)], s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g.name, isa()));
      EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16}),
                        {.allow_mostly_zero = true}));
    }
}

// Nested F(3,2) adds and halves: small integers and their quarters are bf16 values as well.
TEST_P(Bf16, NestedIsExactOnSmallIntegers) {
  std::mt19937 rng(72);
  size_t turn = 0;
  for (const Size& s : bracketed_sizes()) {
    const ConvCase c = plain_case(kStride2, kChannels[turn++ % std::size(kChannels)], s, Values::integers, rng);
    SCOPED_TRACE(describe(c, "3x3 stride 2", isa()));
    EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::nested3x2, .precision = kBf16}),
                      {.allow_mostly_zero = true}));
  }
}

TEST_P(Bf16, UpIsExactOnSmallIntegers) {
  std::mt19937 rng(73);
  size_t turn = 0;
  for (const Size& s : bracketed_sizes()) {
    const ConvCase c = up_case(kChannels[turn++ % std::size(kChannels)], 0, s, Values::integers, rng);
    const Tensor right = upconv2d(c).value;
    for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::nested3x2}) {
      SCOPED_TRACE(describe(c, name_of(a), isa()));
      EXPECT_TRUE(close(right, run_upconv2d(c, {.algorithm = a, .precision = kBf16}), {.allow_mostly_zero = true}));
    }
  }
}

// What is rounded to bf16 is the input and the weights, nothing else: with such values the error is that of fp32.
TEST_P(Bf16, DirectIsAsGoodAsFp32OnRepresentableValues) {
  const uint32_t seed = test_seed(74);
  std::mt19937 rng(seed);
  for (const Geometry& g : bf16_geometries())
    for (const Channels ch : {Channels{32, 40}, {33, 15}, {1, 17}}) {
      const ConvCase c = representable(full_case(g, ch, 0, {2, 0, 7, 10}, Values::uniform, rng));
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      EXPECT_TRUE(judge(c, conv2d(c), ConvAlgorithm::direct,
                        run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16})));
    }
}

TEST_P(Bf16, DirectUpIsAsGoodAsFp32OnRepresentableValues) {
  const uint32_t seed = test_seed(75);
  std::mt19937 rng(seed);
  for (const Channels ch : {Channels{32, 40}, {33, 15}, {1, 17}}) {
    const ConvCase c = representable(up_case(ch, 0, {2, 0, 7, 10}, Values::uniform, rng));
    SCOPED_TRACE(concat(describe(c, "up", isa()), " GPEN_SEED=", seed));
    EXPECT_TRUE(close(upconv2d(c).value, run_upconv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16}),
                      {.relative = 2e-6}));
  }
}

// Rounding happens after the prologue. The reference rounds there as well, so only values near the middle of two bf16
// values, where fp32 and double fall to different sides, differ. Measured: 1.1e-4.
TEST_P(Bf16, DirectRoundsAfterThePrologue) {
  std::mt19937 rng(76);
  for (const int64_t feature : {0, 16, 24}) {
    ConvCase c = full_case(k3x3, {32, 40}, feature, {2, 0, 7, 10}, Values::uniform, rng);
    c.weight = map(c.weight, to_bf16_value);
    c.scale = 1;
    c.change_input = to_bf16_value;
    SCOPED_TRACE(describe(c, "3x3", isa()));
    EXPECT_LE(relative_rms(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16})),
              2.5e-4);
  }
}

// Values with all of their bits: the error is that of bf16, and not that of fp32. Measured: 2.3e-3, 3.1e-3, 1.1e-2.
constexpr double kDirectRms = 4.5e-3, kNestedRms = 6e-3, kWinogradRms = 1.5e-2;

double rms_limit(ConvAlgorithm a) {
  return a == ConvAlgorithm::direct ? kDirectRms : a == ConvAlgorithm::nested3x2 ? kNestedRms : kWinogradRms;
}

TEST_P(Bf16, RandomIsCloseToTheReference) {
  const uint32_t seed = test_seed(77);
  std::mt19937 rng(seed);
  for (const Geometry& g : bf16_geometries())
    for (const int64_t feature : {0, 24}) {
      ConvCase c = full_case(g, {48, 40}, feature, {2, 0, 11, 10}, Values::uniform, rng);
      c.residual = c.residual2 = Tensor();
      const Tensor right = conv2d(c).value;
      for (const ConvAlgorithm a : {ConvAlgorithm::direct, transformed(g)}) {
        SCOPED_TRACE(concat(describe(c, g.name, isa()), " ", name_of(a), " GPEN_SEED=", seed));
        const double error = relative_rms(right, run_conv2d(c, {.algorithm = a, .precision = kBf16}));
        EXPECT_LE(error, rms_limit(a));
        EXPECT_GE(error, 1e-4) << "not bf16";
      }
    }
}

TEST_P(Bf16, RandomUpIsCloseToTheReference) {
  const uint32_t seed = test_seed(78);
  std::mt19937 rng(seed);
  for (const int64_t feature : {0, 24})
    for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::nested3x2}) {
      const ConvCase c = up_case({48, 40}, feature, {2, 0, 11, 10}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, name_of(a), isa()), " GPEN_SEED=", seed));
      const double error = relative_rms(upconv2d(c).value, run_upconv2d(c, {.algorithm = a, .precision = kBf16}));
      EXPECT_LE(error, rms_limit(a));
      EXPECT_GE(error, 1e-4) << "not bf16";
    }
}

TEST_P(Bf16, BatchesThreadsAndRunsAreBitwiseEqual) {
  std::mt19937 rng(79);
  for (const Geometry& g : bf16_geometries())
    for (const ConvAlgorithm a : {ConvAlgorithm::direct, transformed(g)}) {
      const ConvCase c = full_case(g, {40, 48}, 16, {3, 0, 9, 18}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " ", name_of(a)));
      expect_same_bits(c, a, kBf16);
    }
  for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::nested3x2})
    expect_same_bits(up_case({40, 48}, 16, {3, 0, 9, 18}, Values::uniform, rng), a, kBf16, run_upconv2d);
}

// Through weights and input, on either side of a pair; infinity times a number stays infinite or becomes NaN.
TEST_P(Bf16, NanAndInfinityReachTheOutputsThatReadThem) {
  std::mt19937 rng(80);
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)})
    for (const int64_t channel : {2, 3}) {
      ConvCase c = plain_case(k3x3, {16, 16}, {1, 0, 9, 9}, Values::uniform, rng);
      c.x.at(0, channel, 4, 4) = bad;
      const Tensor y = run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16});
      for (int64_t i = 0; i < 9; ++i)
        for (int64_t k = 0; k < 9; ++k)
          EXPECT_EQ(!std::isfinite(y.at(0, 7, i, k)), std::abs(i - 4) <= 1 && std::abs(k - 4) <= 1)
              << bad << ": " << i << ", " << k;
      const Tensor spread = run_conv2d(c, {.algorithm = ConvAlgorithm::winograd4x4, .precision = kBf16});
      const Tensor up = run_upconv2d(c, {.algorithm = ConvAlgorithm::nested3x2, .precision = kBf16});
      EXPECT_FALSE(std::isfinite(spread.at(0, 7, 4, 4))) << bad;
      EXPECT_FALSE(std::isfinite(up.at(0, 7, 8, 8))) << bad;

      c = plain_case(k3x3, {16, 16}, {1, 0, 9, 9}, Values::uniform, rng);
      c.weight.at(7, channel, 1, 1) = bad;
      const Tensor z = run_conv2d(c, {.algorithm = ConvAlgorithm::direct, .precision = kBf16});
      for (int64_t o = 0; o < 16; ++o) EXPECT_EQ(!std::isfinite(z.at(0, o, 4, 4)), o == 7) << bad << ": " << o;
    }
}

TEST(Bf16Weights, TakeHalfTheMemory) {
  ThreadPool pool(1);
  const std::vector<float> weight(64 * 64 * 9, 1.f);
  const ConvGeometry g{.in_channels = 64, .out_channels = 64};
  for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4}) {
    const auto whole = Conv2dWeights::pack(g, weight.data(), 1, {}, pool, a);
    const auto half = Conv2dWeights::pack(g, weight.data(), 1, {}, pool, a, 0, kBf16);
    ASSERT_TRUE(whole.ok() && half.ok());
    EXPECT_EQ(whole->packed_bytes(), 2 * half->packed_bytes()) << name_of(a);
  }
  for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::nested3x2}) {
    const auto whole = UpConv2dWeights::pack(64, 64, weight.data(), 1, {}, pool, 0, a);
    const auto half = UpConv2dWeights::pack(64, 64, weight.data(), 1, {}, pool, 0, a, kBf16);
    ASSERT_TRUE(whole.ok() && half.ok());
    EXPECT_EQ(whole->packed_bytes(), 2 * half->packed_bytes()) << name_of(a);
  }
}

TEST(Bf16Weights, ABlurredConvolutionIsRefused) {
  ThreadPool pool(1);
  const std::vector<float> weight(16 * 16 * 9, 1.f);
  ConvGeometry g{.in_channels = 16, .out_channels = 16};
  g.stride = 2;
  g.pad = 0;
  g.blur_pad = 2;
  const auto automatic = ConvAlgorithm::automatic;
  EXPECT_TRUE(Conv2dWeights::pack(g, weight.data(), 1, {}, pool, automatic).ok());
  EXPECT_EQ(Conv2dWeights::pack(g, weight.data(), 1, {}, pool, automatic, 0, kBf16).status().code(), Code::usage);
}

}  // namespace
}  // namespace gpen::test
