// to_blocked (with pixel unshuffle) and to_planar.
#include "kernels/layout.h"
#include "support/kernel_cases.h"

namespace gpen::test {
namespace {

Tensor blocked(const Tensor& x, int unshuffle, int threads) {
  ThreadPool pool(threads);
  const GuardedTensor in(x, Layout::nchw);
  const GuardedTensor out(x.n, x.c * unshuffle * unshuffle, x.h / unshuffle, x.w / unshuffle, Layout::nchw16c);
  const Status status =
      run_planned(pool, [&](Exec& exec) { return to_blocked(exec, in.view(), out.view(), unshuffle); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(in.intact());
  EXPECT_TRUE(out.intact());
  return out.values();
}

TEST(Layout, ToBlockedKeepsValuesAndWritesZeroChannels) {
  std::mt19937 rng(21);
  for (const Size& s : bracketed_sizes()) {
    const Tensor x = random_integers(s.n, s.c, s.h, s.w, 1000, rng);
    EXPECT_TRUE(close(x, blocked(x, 1, 2), {}));
  }
}

TEST(Layout, ToBlockedUnshuffles) {
  std::mt19937 rng(22);
  for (const int f : {2, 4})
    for (const Size& s : bracketed_sizes()) {
      const Tensor x = random_integers(s.n, 3, s.h * f, s.w * f, 1000, rng);
      EXPECT_TRUE(close(pixel_unshuffle(x, f), blocked(x, f, 3), {}));
    }
}

TEST(Layout, ToPlanarFromASlice) {
  std::mt19937 rng(23);
  for (const Size& s : bracketed_sizes()) {
    const Tensor x = random_integers(s.n, s.c, s.h, s.w, 1000, rng);
    ThreadPool pool(2);
    const GuardedTensor in(x, Layout::nchw16c, ceil_div(s.c, kBlock) * kBlock + 16, 16);
    const GuardedTensor out(s.n, s.c, s.h, s.w, Layout::nchw);
    const Status status = run_planned(pool, [&](Exec& exec) { return to_planar(exec, in.view(), out.view()); });
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(out.intact());
    EXPECT_TRUE(close(x, out.values(), {}));
  }
}

TEST(Layout, RefusesWrongShapes) {
  ThreadPool pool(1);
  Workspace ws;
  Exec exec{pool, ws};
  const GuardedTensor planar(1, 3, 8, 6, Layout::nchw), same(1, 3, 8, 6, Layout::nchw16c),
      odd(1, 12, 4, 2, Layout::nchw16c);
  EXPECT_EQ(to_blocked(exec, planar.view(), odd.view(), 2).code(), Code::internal);
  EXPECT_EQ(to_blocked(exec, same.view(), same.view()).code(), Code::internal);
  EXPECT_EQ(to_planar(exec, odd.view(), planar.view()).code(), Code::internal);
  EXPECT_TRUE(to_blocked(exec, planar.view(), same.view()).ok());
}

}  // namespace
}  // namespace gpen::test
