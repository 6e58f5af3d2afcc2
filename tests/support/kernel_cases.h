// Sizes, cases and checks shared by the kernel tests.
#pragma once
#include <cmath>
#include <functional>

#include "kernels/add_upsampled.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/max_pool.h"
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
inline std::string describe(const Size& s) { return concat(s.n, "x", s.c, "x", s.h, "x", s.w); }

// Where a kernel runs and what it stores.
struct Target {
  std::shared_ptr<Device> device;
  ElementType type = ElementType::f32;
  Layout layout() const { return device != nullptr ? Layout::nhwc : Layout::nchw16c; }
  GuardedTensor activation(const Tensor& values, int64_t total = 0, int64_t first = 0) const {
    return GuardedTensor(values, layout(), total, first, device, type);
  }
  GuardedTensor activation(int64_t n, int64_t c, int64_t h, int64_t w, int64_t total = 0, int64_t first = 0) const {
    return GuardedTensor(n, c, h, w, layout(), total, first, device, type);
  }
  GuardedTensor planar(const Tensor& values) const { return GuardedTensor(values, Layout::nchw, 0, 0, device); }
  GuardedTensor planar(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return GuardedTensor(n, c, h, w, Layout::nchw, 0, 0, device);
  }
  // Floats that a kernel reads as they are.
  ParameterVector floats(ThreadPool& pool, std::vector<float> values) const {
    auto made = ParameterVector::make({pool, device}, std::move(values));
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.ok() ? std::move(made).value() : ParameterVector();
  }
};

// A kernel from one activation to another: run(exec, x, y).
using BlockedKernel = std::function<Status(Exec&, const TensorView&, TensorView)>;

// Runs a kernel into a poisoned output (or one that starts with values) that is a channel slice of a larger tensor,
// checks the guards and gives the values.
inline Tensor run_blocked(const BlockedKernel& kernel, const Tensor& x, int64_t c, int64_t h, int64_t w, int threads,
                          const Target& on = {}, const Tensor* start = nullptr) {
  ThreadPool pool(threads);
  const int64_t total = ceil_div(c, kBlock) * kBlock + 48, first = 32;
  const GuardedTensor in = on.activation(x, ceil_div(x.c, kBlock) * kBlock + 32, 16);
  const GuardedTensor out =
      start != nullptr ? on.activation(*start, total, first) : on.activation(x.n, c, h, w, total, first);
  const Status status =
      run_planned(pool, on.device, on.type, [&](Exec& exec) { return kernel(exec, in.view(), out.view()); });
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

// --- max_pool and add_upsampled --------------------------------------------------------------------------------------

struct Window {
  int kernel, stride, pad;
  bool fits(const Size& s) const { return s.h + 2 * pad >= kernel && s.w + 2 * pad >= kernel; }
};
inline constexpr Window kWindows[] = {{3, 2, 1}, {2, 2, 0}, {3, 1, 1}, {1, 1, 0}, {5, 2, 2}};

inline BlockedKernel pool_kernel(Window p) {
  return [p](Exec& exec, const TensorView& x, TensorView y) { return max_pool(exec, x, p.kernel, p.stride, p.pad, y); };
}

// x enlarged to base's size and added to it.
inline Tensor run_add_upsampled(const Tensor& x, const Tensor& base, int threads, const Target& on = {}) {
  const BlockedKernel kernel = [](Exec& exec, const TensorView& small, TensorView y) {
    return add_upsampled(exec, small, y);
  };
  return run_blocked(kernel, x, base.c, base.h, base.w, threads, on, &base);
}
inline Tensor expected_add_upsampled(const Tensor& x, const Tensor& base) {
  Tensor expected = upsample_nearest(x, base.h, base.w);
  for (size_t i = 0; i < expected.v.size(); ++i) expected.v[i] += base.v[i];
  return expected;
}
inline std::vector<std::pair<int64_t, int64_t>> enlarged_sizes(const Size& s) {
  return {{2 * s.h, 2 * s.w}, {2 * s.h - 1, 2 * s.w}, {s.h, 2 * s.w - 1}, {s.h + 3, s.w}};
}

// --- depthwise_conv2d ------------------------------------------------------------------------------------------------

struct DepthwiseCase {
  Tensor weight;
  std::vector<double> bias;
  int stride;
  double slope;
};

inline BlockedKernel depthwise_kernel(const DepthwiseCase& c, const Target& on = {}) {
  ThreadPool pool(1);
  auto packed = DepthwiseWeights::pack(c.weight.n, static_cast<int>(c.weight.h), to_floats(c.weight.v),
                                       to_floats(c.bias), {pool, on.device});
  if (!packed.ok()) return [s = packed.status()](Exec&, const TensorView&, TensorView) { return s; };
  return [w = std::make_shared<DepthwiseWeights>(std::move(packed).value()), stride = c.stride,
          slope = static_cast<float>(c.slope)](Exec& exec, const TensorView& x, TensorView y) {
    return depthwise_conv2d(exec, *w, x, stride, slope, y);
  };
}

inline Judged expected_depthwise(const DepthwiseCase& c, const Tensor& x) {
  const auto absolute = [](const Tensor& t) { return map(t, [](double v) { return std::fabs(v); }); };
  const int pad = static_cast<int>(c.weight.h / 2);
  Judged j{depthwise_convolution(x, c.weight, c.stride, pad),
           depthwise_convolution(absolute(x), absolute(c.weight), c.stride, pad)};
  for (size_t i = 0; i < j.value.v.size(); ++i) {
    const double bias = c.bias[i / static_cast<size_t>(j.value.h * j.value.w) % c.bias.size()];
    j.value.v[i] = lrelu(j.value.v[i] + bias, c.slope);
    j.magnitude.v[i] += std::fabs(bias);
  }
  return j;
}

}  // namespace gpen::test
