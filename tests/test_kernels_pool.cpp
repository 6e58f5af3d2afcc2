// max_pool and add_upsampled.
#include <cmath>

#include "support/kernel_cases.h"

namespace gpen::test {
namespace {

TEST(MaxPool, EqualsTheReferenceExactly) {
  const uint32_t seed = test_seed(11);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const Size& s : bracketed_sizes())
    for (const Window& p : kWindows) {
      if (!p.fits(s)) continue;
      SCOPED_TRACE(concat(describe(s), " kernel ", p.kernel, " stride ", p.stride));
      const Tensor x = random_uniform(s.n, s.c, s.h, s.w, -3, -1, rng);  // negative: padding must not win
      const Tensor expected = max_pool(x, p.kernel, p.stride, p.pad);
      EXPECT_TRUE(close(expected, run_blocked(pool_kernel(p), x, s.c, expected.h, expected.w, 2), {}));
    }
}

TEST(MaxPool, NanWinsAndInfinityCounts) {
  Tensor x(1, 16, 5, 5, 1.0);
  x.at(0, 3, 2, 2) = std::nan("");
  x.at(0, 4, 0, 0) = HUGE_VAL;
  x.at(0, 5, 0, 0) = -HUGE_VAL;
  const Tensor y = run_blocked(pool_kernel({3, 2, 1}), x, 16, 3, 3, 1);
  EXPECT_TRUE(std::isnan(y.at(0, 3, 1, 1)));
  EXPECT_EQ(y.at(0, 3, 0, 0), 1);
  EXPECT_EQ(y.at(0, 4, 0, 0), HUGE_VAL);
  EXPECT_EQ(y.at(0, 5, 0, 0), 1);
}

TEST(MaxPool, Laws) {
  std::mt19937 rng(5);
  expect_deterministic(pool_kernel({3, 2, 1}), random_uniform(3, 33, 9, 14, -1, 1, rng), 33, 5, 7);
}

TEST(MaxPool, RefusesWrongShapes) {
  ThreadPool pool(1);
  Workspace ws;
  Exec exec{pool, ws};
  const GuardedTensor x(1, 16, 8, 8, Layout::nchw16c), y(1, 16, 5, 4, Layout::nchw16c), p(1, 16, 4, 4, Layout::nchw);
  const Status wrong = max_pool(exec, x.view(), 3, 2, 1, y.view());
  EXPECT_EQ(wrong.code(), Code::internal);
  EXPECT_NE(wrong.message().find("1x16x5x4"), std::string::npos) << wrong.message();
  EXPECT_FALSE(max_pool(exec, x.view(), 3, 2, 1, p.view()).ok());
  EXPECT_FALSE(max_pool(exec, x.view(), 2, 2, 2, y.view()).ok());
}

TEST(AddUpsampled, EqualsTheReferenceExactly) {
  const uint32_t seed = test_seed(12);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const Size& s : bracketed_sizes())
    for (const auto& [h, w] : enlarged_sizes(s)) {
      SCOPED_TRACE(concat(describe(s), " to ", h, "x", w));
      const Tensor x = random_integers(s.n, s.c, s.h, s.w, 50, rng), base = random_integers(s.n, s.c, h, w, 50, rng);
      EXPECT_TRUE(close(expected_add_upsampled(x, base), run_add_upsampled(x, base, 2), {}));
    }
}

TEST(AddUpsampled, RefusesWrongShapes) {
  ThreadPool pool(1);
  Workspace ws;
  Exec exec{pool, ws};
  const GuardedTensor x(1, 16, 8, 8, Layout::nchw16c), small(1, 16, 7, 16, Layout::nchw16c),
      other(1, 32, 16, 16, Layout::nchw16c);
  EXPECT_EQ(add_upsampled(exec, x.view(), small.view()).code(), Code::internal);
  EXPECT_EQ(add_upsampled(exec, x.view(), other.view()).code(), Code::internal);
}

}  // namespace
}  // namespace gpen::test
