// depthwise_conv2d.
#include "support/kernel_cases.h"

namespace gpen::test {
namespace {

TEST(DepthwiseConv2d, SmallIntegersAreExact) {
  std::mt19937 rng(31);
  for (const Size& s : bracketed_sizes())
    for (const int k : {3, 1, 5})
      for (const int stride : {1, 2}) {
        SCOPED_TRACE(concat(describe(s), " kernel ", k, " stride ", stride));
        const DepthwiseCase c{random_integers(s.c, 1, k, k, 5, rng), random_integers(1, s.c, 1, 1, 9, rng).v, stride,
                              0.25};
        const Tensor x = random_integers(s.n, s.c, s.h, s.w, 20, rng);
        const Judged j = expected_depthwise(c, x);
        EXPECT_TRUE(close(j.value, run_blocked(depthwise_kernel(c), x, s.c, j.value.h, j.value.w, 2), {}));
      }
}

TEST(DepthwiseConv2d, RandomWithinTheBoundOfTheSum) {
  const uint32_t seed = test_seed(32);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const Size& s : bracketed_sizes())
    for (const double slope : {0.1, 0.0, 1.0}) {
      const DepthwiseCase c{random_uniform(s.c, 1, 3, 3, -1, 1, rng), random_uniform(1, s.c, 1, 1, -1, 1, rng).v, 2,
                            slope};
      const Tensor x = random_uniform(s.n, s.c, s.h, s.w, -2, 2, rng);
      const Judged j = expected_depthwise(c, x);
      // Nine products and nine additions round once each.
      EXPECT_TRUE(close(j.value, run_blocked(depthwise_kernel(c), x, s.c, j.value.h, j.value.w, 1),
                        {.k_eps = 18, .magnitude = &j.magnitude, .allow_mostly_zero = s.h * s.w == 1}));
    }
}

TEST(DepthwiseConv2d, Laws) {
  std::mt19937 rng(33);
  const DepthwiseCase c{random_uniform(33, 1, 3, 3, -1, 1, rng), random_uniform(1, 33, 1, 1, -1, 1, rng).v, 2, 0.1};
  expect_deterministic(depthwise_kernel(c), random_uniform(3, 33, 11, 6, -1, 1, rng), 33, 6, 3);
}

TEST(DepthwiseConv2d, ConstantInputGivesTheSumOfTheTaps) {
  std::mt19937 rng(34);
  const DepthwiseCase c{random_integers(20, 1, 3, 3, 9, rng), std::vector<double>(20, 0.5), 1, 1};
  const Tensor y = run_blocked(depthwise_kernel(c), Tensor(1, 20, 7, 8, 2.0), 20, 7, 8, 1);
  for (int64_t ch = 0; ch < 20; ++ch) {
    double sum = 0.5;
    for (int64_t t = 0; t < 9; ++t) sum += 2 * c.weight.at(ch, 0, t / 3, t % 3);
    for (int64_t i = 1; i < 6; ++i)
      for (int64_t j = 1; j < 7; ++j) EXPECT_EQ(y.at(0, ch, i, j), sum);
  }
}

TEST(DepthwiseConv2d, RefusesWrongCounts) {
  ThreadPool pool(1);
  EXPECT_EQ(DepthwiseWeights::pack(16, 3, std::vector<float>(143), std::vector<float>(16), pool).status().code(),
            Code::internal);
  EXPECT_FALSE(DepthwiseWeights::pack(16, 2, std::vector<float>(64), std::vector<float>(16), pool).ok());
  EXPECT_FALSE(DepthwiseWeights::pack(16, 3, std::vector<float>(144), std::vector<float>(15), pool).ok());
  const auto w = DepthwiseWeights::pack(16, 3, std::vector<float>(144), std::vector<float>(16), pool);
  ASSERT_TRUE(w.ok());
  Workspace ws;
  Exec exec{pool, ws};
  const GuardedTensor x(1, 16, 8, 8, Layout::nchw16c), y(1, 16, 4, 5, Layout::nchw16c), z(1, 15, 8, 8, Layout::nchw16c);
  EXPECT_FALSE(depthwise_conv2d(exec, *w, x.view(), 2, 0, y.view()).ok());
  EXPECT_FALSE(depthwise_conv2d(exec, *w, z.view(), 1, 0, z.view()).ok());
}

}  // namespace
}  // namespace gpen::test
