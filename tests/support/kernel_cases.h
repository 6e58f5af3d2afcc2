// Sizes and checks shared by the kernel tests.
#pragma once
#include <functional>

#include "support/compare.h"

namespace gpen::test {

struct Size {
  int64_t n, c, h, w;
};
// Around every block of 16 channels, H != W, single rows and columns, batches of 1 to 3.
inline const std::vector<Size>& bracketed_sizes() {
  static const std::vector<Size> sizes = {{1, 1, 1, 1},  {2, 15, 1, 7},  {3, 16, 7, 1},   {1, 17, 15, 16},
                                          {2, 33, 5, 3}, {3, 8, 16, 17}, {1, 32, 17, 33}, {2, 48, 2, 2}};
  return sizes;
}

// A kernel from one blocked tensor to another: run(exec, x, y).
using BlockedKernel = std::function<Status(Exec&, const TensorView&, TensorView)>;

// Runs a kernel into a poisoned output that is a channel slice of a larger tensor, checks the guards and gives the
// values.
inline Tensor run_blocked(const BlockedKernel& kernel, const Tensor& x, int64_t c, int64_t h, int64_t w, int threads) {
  ThreadPool pool(threads);
  const GuardedTensor in(x, Layout::nchw16c, ceil_div(x.c, kBlock) * kBlock + 32, 16);
  const GuardedTensor out(x.n, c, h, w, Layout::nchw16c, ceil_div(c, kBlock) * kBlock + 48, 32);
  const Status status = run_planned(pool, [&](Exec& exec) { return kernel(exec, in.view(), out.view()); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(in.intact());
  EXPECT_TRUE(out.intact());
  return out.values();
}

// Bitwise: any number of threads, a second run, and an image alone or in its batch.
inline void expect_deterministic(const BlockedKernel& kernel, const Tensor& x, int64_t c, int64_t h, int64_t w) {
  const Tensor one = run_blocked(kernel, x, c, h, w, 1);
  EXPECT_EQ(one.v, run_blocked(kernel, x, c, h, w, 1).v) << "second run";
  EXPECT_EQ(one.v, run_blocked(kernel, x, c, h, w, 3).v) << "three threads";
  for (int64_t n = 0; n < x.n; ++n)
    EXPECT_EQ(batch_item(one, n).v, run_blocked(kernel, batch_item(x, n), c, h, w, 2).v) << "image " << n << " alone";
}

}  // namespace gpen::test
