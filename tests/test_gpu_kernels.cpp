// The memory-bound kernels of a device, for each way it stores activations: max_pool, add_upsampled, depthwise_conv2d,
// layout, noise. Inputs are rounded to the stored type first, so that only the result's rounding is left.
#include "kernels/layout.h"
#include "kernels/noise.h"
#include "support/devices.h"
#include "support/kernel_cases.h"

namespace gpen::test {
namespace {

// The sizes of the processor's tests, and one wider than a tile of 64 pixels.
std::vector<Size> sizes() {
  std::vector<Size> all = bracketed_sizes();
  all.insert(all.end(), {{2, 3, 9, 5}, {1, 64, 3, 67}});
  return all;
}

using GpuKernelTest = OnEachDevice;
INSTANTIATE_TEST_SUITE_P(Device, GpuKernelTest, ::testing::ValuesIn(tested_devices()), device_name);

TEST_P(GpuKernelTest, MaxPoolEqualsTheReferenceExactly) {
  std::mt19937 rng(11);
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes())
      for (const Window& p : kWindows) {
        if (!p.fits(s)) continue;
        SCOPED_TRACE(concat(describe(s), " kernel ", p.kernel, " stride ", p.stride, " ", name_of(type)));
        const Tensor x = rounded(random_uniform(s.n, s.c, s.h, s.w, -3, -1, rng), type);  // padding must not win
        const Tensor expected = max_pool(x, p.kernel, p.stride, p.pad);
        EXPECT_TRUE(
            close(expected, run_blocked(pool_kernel(p), x, s.c, expected.h, expected.w, 1, {device(), type}), {}));
      }
}

TEST_P(GpuKernelTest, MaxPoolNanWinsAndInfinityCounts) {
  for (const ElementType type : kElementTypes) {
    SCOPED_TRACE(name_of(type));
    Tensor x(1, 16, 5, 5, 1.0);
    x.at(0, 3, 2, 2) = std::nan("");
    x.at(0, 4, 0, 0) = HUGE_VAL;
    x.at(0, 5, 0, 0) = -HUGE_VAL;
    x.at(0, 6, 0, 0) = x.at(0, 7, 1, 1) = std::nan("");  // the first and the last of a window
    const Tensor y = run_blocked(pool_kernel({3, 2, 1}), x, 16, 3, 3, 1, {device(), type});
    EXPECT_TRUE(std::isnan(y.at(0, 3, 1, 1)));
    EXPECT_EQ(y.at(0, 3, 0, 0), 1);
    EXPECT_EQ(y.at(0, 4, 0, 0), type == ElementType::f16 ? 65504 : HUGE_VAL);  // half precision saturates
    EXPECT_EQ(y.at(0, 5, 0, 0), 1);
    EXPECT_TRUE(std::isnan(y.at(0, 6, 0, 0)));
    EXPECT_TRUE(std::isnan(y.at(0, 7, 0, 0)));
  }
}

TEST_P(GpuKernelTest, AddUpsampledEqualsTheReferenceExactly) {
  std::mt19937 rng(12);
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes())
      for (const auto& [h, w] : enlarged_sizes(s)) {
        SCOPED_TRACE(concat(describe(s), " to ", h, "x", w, " ", name_of(type)));
        const Tensor x = random_integers(s.n, s.c, s.h, s.w, 50, rng), base = random_integers(s.n, s.c, h, w, 50, rng);
        EXPECT_TRUE(close(expected_add_upsampled(x, base), run_add_upsampled(x, base, 1, {device(), type}), {}));
      }
}

TEST_P(GpuKernelTest, AddUpsampledRoundsOnce) {
  std::mt19937 rng(13);
  for (const ElementType type : kElementTypes) {
    SCOPED_TRACE(name_of(type));
    const Tensor x = rounded(random_uniform(2, 33, 5, 6, -1, 1, rng), type);
    const Tensor base = rounded(random_uniform(2, 33, 10, 11, -4, 4, rng), type);
    const Tensor y = run_add_upsampled(x, base, 1, {device(), type});
    EXPECT_TRUE(close(expected_add_upsampled(x, base), y, {.relative = 0x1p-24, .stored = type}));
  }
}

TEST_P(GpuKernelTest, DepthwiseWithinTheBoundOfTheSum) {
  const uint32_t seed = test_seed(32);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes())
      for (const auto& [k, stride, slope] :
           {std::tuple{3, 1, 0.1}, {3, 2, 0.0}, {1, 1, 1.0}, {5, 1, 0.25}, {5, 2, 0.1}}) {
        SCOPED_TRACE(concat(describe(s), " kernel ", k, " stride ", stride, " ", name_of(type)));
        const DepthwiseCase c{random_uniform(s.c, 1, k, k, -1, 1, rng), random_uniform(1, s.c, 1, 1, -1, 1, rng).v,
                              stride, slope};
        const Tensor x = rounded(random_uniform(s.n, s.c, s.h, s.w, -2, 2, rng), type);
        const Judged j = expected_depthwise(c, x);
        const Target on{device(), type};
        const Tensor y = run_blocked(depthwise_kernel(c, on), x, s.c, j.value.h, j.value.w, 1, on);
        // Each product and each addition rounds once.
        EXPECT_TRUE(close(
            j.value, y,
            {.k_eps = 2.0 * k * k, .magnitude = &j.magnitude, .stored = type, .allow_mostly_zero = s.h * s.w == 1}));
        // The order of the sum is the contract's, so the processor's result is the same but for the stored type.
        EXPECT_EQ(y.v, rounded(run_blocked(depthwise_kernel(c), x, s.c, y.h, y.w, 1), type).v);
      }
}

Tensor to_nhwc(const Tensor& x, int unshuffle, const Target& on) {
  ThreadPool pool(1);
  const int64_t c = x.c * unshuffle * unshuffle;
  const GuardedTensor in = on.planar(x);
  const GuardedTensor out =
      on.activation(x.n, c, x.h / unshuffle, x.w / unshuffle, ceil_div(c, kBlock) * kBlock + 32, 16);
  const Status status = run_planned(pool, on.device, on.type,
                                    [&](Exec& exec) { return to_blocked(exec, in.view(), out.view(), unshuffle); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(in.intact());
  EXPECT_TRUE(out.intact());
  return out.values();
}

TEST_P(GpuKernelTest, ToBlockedRoundsAndWritesZeroChannels) {
  std::mt19937 rng(21);
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes()) {
      SCOPED_TRACE(concat(describe(s), " ", name_of(type)));
      const Tensor x = random_uniform(s.n, s.c, s.h, s.w, -1, 1, rng);
      EXPECT_TRUE(close(rounded(x, type), to_nhwc(x, 1, {device(), type}), {}));
    }
}

TEST_P(GpuKernelTest, ToBlockedUnshuffles) {
  std::mt19937 rng(22);
  for (const ElementType type : kElementTypes)
    for (const int f : {2, 4})
      for (const Size& s : sizes()) {
        SCOPED_TRACE(concat(describe(s), " unshuffled by ", f, " ", name_of(type)));
        const Tensor x = random_integers(s.n, 3, s.h * f, s.w * f, 250, rng);
        EXPECT_TRUE(close(pixel_unshuffle(x, f), to_nhwc(x, f, {device(), type}), {}));
      }
}

Tensor from_nhwc(const Tensor& x, const Target& on) {
  ThreadPool pool(1);
  const GuardedTensor in = on.activation(x, ceil_div(x.c, kBlock) * kBlock + 16, 16);
  const GuardedTensor out = on.planar(x.n, x.c, x.h, x.w);
  const Status status =
      run_planned(pool, on.device, on.type, [&](Exec& exec) { return to_planar(exec, in.view(), out.view()); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(out.intact());
  return out.values();
}

TEST_P(GpuKernelTest, ToPlanarFromASlice) {
  std::mt19937 rng(23);
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes()) {
      SCOPED_TRACE(concat(describe(s), " ", name_of(type)));
      const Tensor x = rounded(random_uniform(s.n, s.c, s.h, s.w, -1, 1, rng), type);
      EXPECT_TRUE(close(x, from_nhwc(x, {device(), type}), {}));
    }
}

Tensor noise(const Size& s, const Target& on) {
  ThreadPool pool(1);
  const GuardedTensor t = on.activation(s.n, s.c, s.h, s.w, ceil_div(s.c, kBlock) * kBlock + 32, 16);
  const Status status = run_planned(pool, on.device, on.type, [&](Exec& exec) {
    fill_normal_noise(exec, 42, 7, t.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(t.intact());
  return t.values();
}

// The device's logarithm and cosine may differ from the host's in the last bit of a double, which only the rounding to
// float can make visible.
TEST_P(GpuKernelTest, NoiseIsTheProcessors) {
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes()) {
      SCOPED_TRACE(concat(describe(s), " ", name_of(type)));
      const Tensor expected = noise(s, {}), y = noise(s, {device(), type});
      if (GetParam() == "emulated")
        EXPECT_EQ(rounded(expected, type).v, y.v);
      else
        EXPECT_TRUE(close(expected, y, {.relative = 0x1p-23, .stored = type}));
    }
}

TEST_P(GpuKernelTest, SchedulesAndBatchesDoNotChangeABit) {
  std::mt19937 rng(33);
  for (const ElementType type : kElementTypes) {
    SCOPED_TRACE(name_of(type));
    const Target on{device(), type};
    const Tensor x = rounded(random_uniform(3, 33, 11, 6, -1, 1, rng), type);
    const auto laws = [&](auto run) { expect_device_laws(*device(), x, x.n, batch_item, run); };
    laws([&](const Tensor& t) { return run_blocked(pool_kernel({3, 2, 1}), t, 33, 6, 3, 1, on); });
    const DepthwiseCase c{random_uniform(33, 1, 3, 3, -1, 1, rng), random_uniform(1, 33, 1, 1, -1, 1, rng).v, 2, 0.1};
    laws([&](const Tensor& t) { return run_blocked(depthwise_kernel(c, on), t, 33, 6, 3, 1, on); });
    laws([&](const Tensor& t) { return run_add_upsampled(t, upsample_nearest(t, 21, 13), 1, on); });
    laws([&](const Tensor& t) { return to_nhwc(t, 1, on); });
    laws([&](const Tensor& t) { return from_nhwc(t, on); });
    expect_device_laws(
        *device(), Size{3, 33, 5, 7}, 3,
        [](const Size& s, int64_t) {
          return Size{1, s.c, s.h, s.w};
        },
        [&](const Size& s) { return noise(s, on); });
  }
}

TEST_P(GpuKernelTest, RefusesDifferentTypes) {
  ThreadPool pool(1);
  const GuardedTensor x(1, 16, 4, 4, Layout::nhwc, 0, 0, device(), ElementType::f16);
  const GuardedTensor y(1, 16, 4, 4, Layout::nhwc, 0, 0, device(), ElementType::bf16);
  const auto code = [&](auto kernel) { return run_planned(pool, device(), ElementType::f16, kernel).code(); };
  EXPECT_EQ(code([&](Exec& exec) { return max_pool(exec, x.view(), 1, 1, 0, y.view()); }), Code::internal);
  EXPECT_EQ(code([&](Exec& exec) { return add_upsampled(exec, x.view(), y.view()); }), Code::internal);
}

}  // namespace
}  // namespace gpen::test
