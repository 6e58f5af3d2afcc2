// linear, pixel_norm and to_rgb against double precision.
#include <gtest/gtest.h>

#include "kernels/isa.h"
#include "support/dense_cases.h"
#include "support/isa_emulated.h"

namespace gpen::test {
namespace {

class Dense : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_isa(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(force_isa(available_isas().front()).ok()); }
};

constexpr LinearForm kForms[] = {LinearForm::plain, LinearForm::fused_lrelu, LinearForm::demodulation};

TEST_P(Dense, LinearMatchesReference) {
  const uint32_t seed = test_seed(21);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  ThreadPool pool(2), one(1);
  for (const auto& [n, inputs, outputs] :
       {std::array{1, 1, 1}, {2, 3, 15}, {1, 16, 16}, {3, 33, 17}, {5, 512, 65}, {1, 1027, 130}})
    for (const LinearForm form : kForms) {
      SCOPED_TRACE(concat(n, " x ", inputs, " -> ", outputs, " form ", static_cast<int>(form)));
      const LinearCase c = linear_case(n, inputs, outputs, form != LinearForm::demodulation, rng);
      const Tensor y = run_linear(c, form, pool);
      EXPECT_TRUE(close(expected_linear(c, form), y, {.relative = 2e-6}));
      EXPECT_EQ(y.v, run_linear(c, form, one).v);
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(batch_item(y, i).v, run_linear(image_of(c, i), form, one).v);
    }
}

TEST_P(Dense, JobsOfOneCallGiveWhatEachGivesAlone) {
  std::mt19937 rng(24);
  ThreadPool pool(2);
  std::vector<LinearCase> cases;
  for (const int64_t inputs : {7, 64, 3}) cases.push_back(linear_case(2, inputs, 5 * inputs, true, rng));
  for (const LinearForm form : kForms) {
    if (form == LinearForm::demodulation)
      for (LinearCase& c : cases) c.bias.clear();
    const std::vector<Tensor> together = run_linear(cases, form, pool);
    ASSERT_EQ(together.size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(together[i].v, run_linear(cases[i], form, pool).v);
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
                const LinearJob job{&*packed, x.data(), 1, y.data(), 16};
                linear(exec, {&job, 1}, 1, LinearForm::plain);
                return Status();
              }).ok());
  EXPECT_EQ(y[0], 3 * 2 + 15);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], 1 * 2 + 5);
  for (size_t i = 3; i < 16; ++i) EXPECT_EQ(y[i], 0);
}

TEST_P(Dense, DemodulationOfAZeroStyleIsFinite) {
  ThreadPool pool(1);
  const LinearCase c{Tensor(3, 1, 1, 1, {0, 1, 1e15}), Tensor(1, 1, 1, 1, 1.0), {}};
  const Tensor d = run_linear(c, LinearForm::demodulation, pool);
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[0]), 1e4f);
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[1]), 1.f);
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[2]), 1e-15f);
}

TEST_P(Dense, ToRgbMatchesReference) {
  const uint32_t seed = test_seed(22);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  struct Case {
    Size s;
    int64_t feature;
    bool skip;
  };
  for (const Case& k : {Case{{1, 16, 4, 4}, 0, false},
                        {{2, 3, 2, 6}, 5, true},
                        {{1, 16, 16, 16}, 16, true},
                        {{3, 33, 10, 2}, 20, true}}) {
    SCOPED_TRACE(concat(describe(k.s), " + ", k.feature));
    const RgbCase c = rgb_case(k.s, k.feature, k.skip, rng);
    EXPECT_TRUE(close(expected_to_rgb(c), run_to_rgb(c), {.relative = 2e-6}));
  }
}

INSTANTIATE_TEST_SUITE_P(AllInstructionSets, Dense, ::testing::ValuesIn(tested_isas()),
                         [](const auto& info) { return info.param; });

TEST(PixelNorm, MatchesReference) {
  std::mt19937 rng(test_seed(23));
  ThreadPool pool(1);
  const Tensor x = random_uniform(3, 48, 1, 1, -2, 2, rng);
  EXPECT_TRUE(close(pixel_norm(x), run_pixel_norm(x, pool), {.absolute = 3e-7}));
}

}  // namespace
}  // namespace gpen::test
