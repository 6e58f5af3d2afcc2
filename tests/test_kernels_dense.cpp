// linear, to_rgb and the small style operations against double precision.
#include <gtest/gtest.h>

#include "kernels/isa.h"
#include "kernels/linear.h"
#include "kernels/style.h"
#include "kernels/to_rgb.h"
#include "support/compare.h"
#include "support/isa_emulated.h"
#include "support/reference.h"

namespace gpen {
namespace {

using namespace test;

class Dense : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_isa(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(force_isa(available_isas().front()).ok()); }
};

Tensor run_linear(const Tensor& x, const Tensor& weight, const std::vector<double>& bias, bool activate,
                  ThreadPool& pool) {
  const double scale = 1 / std::sqrt(static_cast<double>(weight.c));
  auto packed = LinearWeights::pack(to_floats(weight.v).data(), weight.n, weight.c, scale, to_floats(bias), 1, pool);
  EXPECT_TRUE(packed.ok());
  Tensor y(x.n, weight.n, 1, 1);
  std::vector<float> out(static_cast<size_t>(x.n * packed->outputs()), NAN);
  const std::vector<float> in = to_floats(x.v);
  EXPECT_TRUE(run_planned(pool, [&](Exec& exec) {
                linear(exec, *packed, in.data(), x.c, x.n,
                       activate ? LinearActivation::fused_lrelu : LinearActivation::none, out.data(),
                       packed->outputs());
                return Status();
              }).ok());
  for (int64_t n = 0; n < x.n; ++n)
    for (int64_t o = 0; o < weight.n; ++o) y.at(n, o, 0, 0) = out[static_cast<size_t>(n * packed->outputs() + o)];
  return y;
}

TEST_P(Dense, LinearMatchesReference) {
  const uint32_t seed = test_seed(21);
  SCOPED_TRACE(concat("seed ", seed));
  std::mt19937 rng(seed);
  ThreadPool pool(2), one(1);
  for (const auto [n, inputs, outputs] :
       {std::array{1, 1, 1}, {2, 3, 15}, {1, 16, 16}, {3, 33, 17}, {5, 512, 65}, {1, 1027, 130}})
    for (const bool activate : {false, true}) {
      SCOPED_TRACE(concat(n, " x ", inputs, " -> ", outputs));
      const Tensor x = rounded(random_uniform(n, inputs, 1, 1, -1, 1, rng));
      const Tensor w = rounded(random_uniform(outputs, inputs, 1, 1, -1, 1, rng));
      const std::vector<double> bias = rounded(random_uniform(1, outputs, 1, 1, -1, 1, rng)).v;
      Tolerance t;
      t.relative = 2e-6;
      const Tensor y = run_linear(x, w, bias, activate, pool);
      EXPECT_TRUE(close(equal_linear(x, w, bias, 1, activate), y, t));
      EXPECT_EQ(y.v, run_linear(x, w, bias, activate, one).v);
      for (int64_t i = 0; i < n; ++i)
        EXPECT_EQ(batch_item(y, i).v, run_linear(batch_item(x, i), w, bias, activate, one).v);
    }
}

TEST(LinearWeights, RowsArePlacedWhereAsked) {
  ThreadPool pool(1);
  const std::vector<float> w = {1, 2, 3};  // 3 rows of one input
  auto packed = LinearWeights::pack(w.data(), 3, 1, 2, {10, 20, 30}, 0.5, pool, {2, -1, 0});
  ASSERT_TRUE(packed.ok());
  ASSERT_EQ(packed->outputs(), 16);
  std::vector<float> x = {1}, y(16, NAN);
  ASSERT_TRUE(run_planned(pool, [&](Exec& exec) {
                linear(exec, *packed, x.data(), 1, 1, LinearActivation::none, y.data(), 16);
                return Status();
              }).ok());
  EXPECT_EQ(y[0], 3 * 2 + 15);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], 1 * 2 + 5);
  for (size_t i = 3; i < 16; ++i) EXPECT_EQ(y[i], 0);
}

TEST_P(Dense, ToRgbMatchesReference) {
  const uint32_t seed = test_seed(22);
  SCOPED_TRACE(concat("seed ", seed));
  std::mt19937 rng(seed);
  ThreadPool pool(2);
  struct Case {
    int64_t n, x, feature, h, w;
    bool skip;
  };
  for (const Case& c :
       {Case{1, 16, 0, 4, 4, false}, {2, 3, 5, 2, 6, true}, {1, 16, 16, 16, 16, true}, {3, 33, 20, 10, 2, true}}) {
    SCOPED_TRACE(concat(c.n, " ", c.x, "+", c.feature, " ", c.h, "x", c.w));
    const int64_t channels = c.x + c.feature;
    const Tensor x = rounded(random_uniform(c.n, c.x, c.h, c.w, -1, 1, rng));
    const Tensor f = c.feature > 0 ? rounded(random_uniform(c.n, c.feature, c.h, c.w, -1, 1, rng)) : Tensor();
    const Tensor weight = rounded(random_uniform(3, channels, 1, 1, -1, 1, rng));
    const Tensor style = rounded(random_uniform(c.n, channels, 1, 1, 0.5, 1.5, rng));
    const std::vector<double> bias = rounded(random_uniform(1, 3, 1, 1, -1, 1, rng)).v;
    const std::vector<double> fb = rounded(random_uniform(1, std::max<int64_t>(1, c.feature), 1, 1, -1, 1, rng)).v;
    const Tensor skip = c.skip ? rounded(random_uniform(c.n, 3, c.h / 2, c.w / 2, -1, 1, rng)) : Tensor();
    const double gain = 0.5;
    Tensor whole = x;
    if (c.feature > 0) {
      Tensor activated = f;
      for (int64_t n = 0; n < c.n; ++n)
        for (int64_t ch = 0; ch < c.feature; ++ch)
          for (int64_t i = 0; i < c.h; ++i)
            for (int64_t j = 0; j < c.w; ++j)
              activated.at(n, ch, i, j) =
                  std::sqrt(2.0) * lrelu(f.at(n, ch, i, j) * gain + fb[static_cast<size_t>(ch)]);
      whole = concat_channels(x, activated);
    }
    const Tensor expected = to_rgb(whole, style, weight, bias, skip, fir4(4));

    const std::vector<float> bias_f = to_floats(bias);
    const ToRgbWeights packed = ToRgbWeights::pack(c.x, c.feature, to_floats(weight.v).data(), bias_f.data());
    const int64_t xp = ceil_div(c.x, kBlock) * kBlock, fp = ceil_div(c.feature, kBlock) * kBlock;
    std::vector<float> s(static_cast<size_t>(c.n * (xp + fp)), 0.f), feature_bias(static_cast<size_t>(fp + 1), 0.f);
    for (int64_t n = 0; n < c.n; ++n)
      for (int64_t ch = 0; ch < channels; ++ch)
        s[static_cast<size_t>(n * (xp + fp) + (ch < c.x ? ch : xp + ch - c.x))] =
            static_cast<float>(style.at(n, ch, 0, 0));
    for (int64_t ch = 0; ch < c.feature; ++ch)
      feature_bias[static_cast<size_t>(ch)] = static_cast<float>(fb[static_cast<size_t>(ch)]);
    GuardedTensor gx(x, Layout::nchw16c), gf(c.feature > 0 ? f : x, Layout::nchw16c),
        gy(c.n, 3, c.h, c.w, Layout::nchw);
    GuardedTensor gs(c.skip ? skip : x, Layout::nchw);
    ConvInput in;
    in.x = gx.view();
    in.in_scale = s.data();
    if (c.feature > 0) {
      in.feature = gf.view();
      in.feature_gain = static_cast<float>(gain);
      in.feature_bias = feature_bias.data();
    }
    ASSERT_TRUE(run_planned(pool, [&](Exec& exec) {
                  to_rgb(exec, packed, in, c.skip ? gs.view() : TensorView(), gy.view());
                  return Status();
                }).ok());
    EXPECT_TRUE(gy.intact());
    Tolerance t;
    t.relative = 2e-6;
    EXPECT_TRUE(close(expected, gy.values(), t));
  }
}

INSTANTIATE_TEST_SUITE_P(AllInstructionSets, Dense, ::testing::ValuesIn(tested_isas()),
                         [](const auto& info) { return info.param; });

TEST(Style, PixelNormMatchesReference) {
  std::mt19937 rng(test_seed(23));
  const Tensor x = rounded(random_uniform(3, 48, 1, 1, -2, 2, rng));
  std::vector<float> v(3 * 64, -7.f);
  for (int64_t n = 0; n < 3; ++n)
    for (int64_t c = 0; c < 48; ++c) v[static_cast<size_t>(n * 64 + c)] = static_cast<float>(x.at(n, c, 0, 0));
  pixel_norm(v.data(), 3, 48, 64);
  const Tensor expected = pixel_norm(x);
  for (int64_t n = 0; n < 3; ++n)
    for (int64_t c = 0; c < 64; ++c)
      if (c < 48)
        EXPECT_NEAR(v[static_cast<size_t>(n * 64 + c)], expected.at(n, c, 0, 0), 3e-7);
      else
        EXPECT_EQ(v[static_cast<size_t>(n * 64 + c)], -7.f) << "written beyond the row";
}

TEST(Style, DemodulationOfAZeroStyleIsFinite) {
  float d[3] = {0.f, 1.f, 1e30f};
  inverse_sqrt(d, 3);
  EXPECT_FLOAT_EQ(d[0], 1e4f);
  EXPECT_FLOAT_EQ(d[1], 1.f);
  EXPECT_FLOAT_EQ(d[2], 1e-15f);
}

}  // namespace
}  // namespace gpen
