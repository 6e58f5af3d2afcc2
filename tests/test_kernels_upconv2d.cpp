// StyleGAN2's upsampling convolution against modulated_conv2d in double precision, weights modulated as published.
#include <gtest/gtest.h>

#include "kernels/isa.h"
#include "kernels/upconv2d.h"
#include "support/compare.h"
#include "support/reference.h"

namespace gpen {
namespace {

using namespace test;

struct UpCase {
  int64_t n, x_channels, feature_channels, out, h, w;
};

struct Inputs {
  Tensor x, feature, weight, style;
  std::vector<double> bias, feature_bias;
  double gain = 0.75;
};

Inputs make_inputs(const UpCase& c, std::mt19937& rng, bool integers) {
  Inputs in;
  auto values = [&](int64_t n, int64_t ch, int64_t h, int64_t w) {
    return integers ? random_integers(n, ch, h, w, 2, rng) : rounded(random_uniform(n, ch, h, w, -1, 1, rng));
  };
  in.x = values(c.n, c.x_channels, c.h, c.w);
  if (c.feature_channels > 0) in.feature = values(c.n, c.feature_channels, c.h, c.w);
  in.weight = values(c.out, c.x_channels + c.feature_channels, 3, 3);
  in.style = values(c.n, c.x_channels + c.feature_channels, 1, 1);
  in.bias = values(1, c.out, 1, 1).v;
  in.feature_bias = values(1, std::max<int64_t>(1, c.feature_channels), 1, 1).v;
  return in;
}

// The contract of upconv2d.h in double precision: prologue, transposed convolution, blur; no activation.
Tensor reference(const UpCase& c, const Inputs& in) {
  Tensor x = in.x;
  if (c.feature_channels > 0) {
    Tensor f = in.feature;
    for (int64_t n = 0; n < c.n; ++n)
      for (int64_t ch = 0; ch < c.feature_channels; ++ch)
        for (int64_t i = 0; i < c.h; ++i)
          for (int64_t j = 0; j < c.w; ++j)
            f.at(n, ch, i, j) =
                std::sqrt(2.0) * lrelu(f.at(n, ch, i, j) * in.gain + in.feature_bias[static_cast<size_t>(ch)]);
    x = concat_channels(x, f);
  }
  for (int64_t n = 0; n < c.n; ++n)
    for (int64_t ch = 0; ch < x.c; ++ch)
      for (int64_t i = 0; i < c.h; ++i)
        for (int64_t j = 0; j < c.w; ++j) x.at(n, ch, i, j) *= in.style.at(n, ch, 0, 0);
  Tensor y = upfirdn2d(transposed_convolution_stride2(x, in.weight), fir4(4), 1, 1, 1, 1);
  for (int64_t n = 0; n < c.n; ++n)
    for (int64_t o = 0; o < c.out; ++o)
      for (int64_t i = 0; i < y.h; ++i)
        for (int64_t j = 0; j < y.w; ++j) y.at(n, o, i, j) = lrelu(y.at(n, o, i, j) + in.bias[static_cast<size_t>(o)]);
  return y;
}

Tensor run(const UpCase& c, const Inputs& in, ThreadPool& pool, int64_t only_image = -1) {
  const std::vector<float> weight = to_floats(in.weight.v);
  auto packed = UpConv2dWeights::pack(c.x_channels + c.feature_channels, c.out, weight.data(), 1, to_floats(in.bias),
                                      pool, c.feature_channels > 0 ? c.x_channels : 0);
  EXPECT_TRUE(packed.ok()) << packed.status().message();
  const int64_t n = only_image >= 0 ? 1 : c.n;
  const Tensor x = only_image >= 0 ? batch_item(in.x, only_image) : in.x;
  GuardedTensor gx(x, Layout::nchw16c), gy(n, c.out, 2 * c.h, 2 * c.w, Layout::nchw16c);
  GuardedTensor gf(c.feature_channels > 0 ? (only_image >= 0 ? batch_item(in.feature, only_image) : in.feature) : x,
                   Layout::nchw16c);
  const int64_t xp = ceil_div(c.x_channels, kBlock) * kBlock, fp = ceil_div(c.feature_channels, kBlock) * kBlock;
  std::vector<float> scale(static_cast<size_t>(n * (xp + fp)), 0.f), feature_bias(static_cast<size_t>(fp + 1), 0.f);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t ch = 0; ch < c.x_channels + c.feature_channels; ++ch)
      scale[static_cast<size_t>(i * (xp + fp) + (ch < c.x_channels ? ch : xp + ch - c.x_channels))] =
          static_cast<float>(in.style.at(only_image >= 0 ? only_image : i, ch, 0, 0));
  for (int64_t ch = 0; ch < c.feature_channels; ++ch)
    feature_bias[static_cast<size_t>(ch)] = static_cast<float>(in.feature_bias[static_cast<size_t>(ch)]);
  ConvInput input;
  input.x = gx.view();
  input.in_scale = scale.data();
  if (c.feature_channels > 0) {
    input.feature = gf.view();
    input.feature_gain = static_cast<float>(in.gain);
    input.feature_bias = feature_bias.data();
  }
  ConvEpilogue ep;
  ep.slope = 0.2f;
  const Status status = run_planned(pool, [&](Exec& exec) {
    upconv2d(exec, *packed, input, ep, gy.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(gy.intact());
  EXPECT_TRUE(gx.intact());
  return gy.values();
}

const UpCase kCases[] = {{1, 1, 0, 1, 1, 1},    {1, 16, 0, 16, 4, 4},  {2, 5, 3, 7, 3, 5},
                         {1, 16, 16, 32, 8, 8}, {3, 17, 17, 33, 2, 9}, {1, 32, 32, 48, 13, 14},
                         {1, 8, 8, 16, 15, 70}, {2, 3, 0, 20, 33, 2},  {1, 130, 20, 16, 5, 5}};

class UpConv2d : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_isa(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(force_isa(available_isas().front()).ok()); }
};

// The blur's taps are quarters, so sums of small integers over sixteen stay exact in fp32; lrelu's 0.2 is not, and is
// judged to one rounding.
TEST_P(UpConv2d, SmallIntegersAreExact) {
  std::mt19937 rng(test_seed(11));
  ThreadPool pool(2);
  for (const UpCase& c : kCases) {
    if (c.feature_channels > 0) continue;
    SCOPED_TRACE(concat(c.n, " ", c.x_channels, " ", c.out, " ", c.h, "x", c.w));
    const Inputs in = make_inputs(c, rng, true);
    Tolerance t;
    t.relative = 1.2e-7;
    t.allow_mostly_zero = true;
    EXPECT_TRUE(close(reference(c, in), run(c, in, pool), t));
  }
}

TEST_P(UpConv2d, RandomMatchesReference) {
  const uint32_t seed = test_seed(12);
  SCOPED_TRACE(concat("seed ", seed));
  std::mt19937 rng(seed);
  ThreadPool pool(2);
  for (const UpCase& c : kCases) {
    SCOPED_TRACE(concat(c.n, " ", c.x_channels, "+", c.feature_channels, " ", c.out, " ", c.h, "x", c.w));
    const Inputs in = make_inputs(c, rng, false);
    Tolerance t;
    t.relative = 4e-6;
    EXPECT_TRUE(close(reference(c, in), run(c, in, pool), t));
  }
}

TEST_P(UpConv2d, ThreadsAndBatchDoNotChangeABit) {
  std::mt19937 rng(test_seed(13));
  ThreadPool one(1), three(3);
  for (const UpCase& c : kCases) {
    SCOPED_TRACE(concat(c.n, " ", c.x_channels, "+", c.feature_channels, " ", c.out, " ", c.h, "x", c.w));
    const Inputs in = make_inputs(c, rng, false);
    const Tensor whole = run(c, in, one);
    EXPECT_EQ(whole.v, run(c, in, three).v);
    for (int64_t n = 0; n < c.n; ++n) EXPECT_EQ(batch_item(whole, n).v, run(c, in, three, n).v);
  }
}

// A constant picture away from the border: gain of the blur (4 zeros-inserted samples) times the kernel's sum.
TEST_P(UpConv2d, ConstantInGivesKernelSum) {
  ThreadPool pool(1);
  const UpCase c{1, 16, 0, 16, 12, 12};
  std::mt19937 rng(test_seed(14));
  Inputs in = make_inputs(c, rng, true);
  std::fill(in.x.v.begin(), in.x.v.end(), 1.0);
  std::fill(in.style.v.begin(), in.style.v.end(), 1.0);
  std::fill(in.bias.begin(), in.bias.end(), 1000.0);  // stay on the linear side
  const Tensor y = run(c, in, pool);
  for (int64_t o = 0; o < c.out; ++o) {
    double sum = 0;
    for (int64_t i = 0; i < 16; ++i)
      for (int64_t k = 0; k < 9; ++k) sum += in.weight.v[static_cast<size_t>((o * 16 + i) * 9 + k)];
    EXPECT_EQ(y.at(0, o, 11, 12), 1000 + sum);
  }
}

INSTANTIATE_TEST_SUITE_P(AllInstructionSets, UpConv2d, ::testing::ValuesIn(available_isas()),
                         [](const auto& info) { return info.param; });

TEST(UpConv2dWeights, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  const std::vector<float> w(9 * 4, 1.f);
  EXPECT_EQ(UpConv2dWeights::pack(0, 4, w.data(), 1, {}, pool).status().code(), Code::usage);
  EXPECT_EQ(UpConv2dWeights::pack(1, 4, w.data(), 1, {1, 2}, pool).status().code(), Code::usage);
}

}  // namespace
}  // namespace gpen
