// linear, pixel_norm, to_rgb and the stored stem on a device.
#include "support/dense_cases.h"
#include "support/devices.h"

namespace gpen::test {
namespace {

using GpuDense = OnEachDevice;
INSTANTIATE_TEST_SUITE_P(Device, GpuDense, ::testing::ValuesIn(tested_devices()), device_name);

constexpr LinearForm kForms[] = {LinearForm::plain, LinearForm::fused_lrelu, LinearForm::demodulation};

TEST_P(GpuDense, LinearMatchesReference) {
  const uint32_t seed = test_seed(21);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  ThreadPool pool(1);
  for (const auto& [n, inputs, outputs] :
       {std::array{1, 1, 1}, {2, 3, 15}, {1, 16, 16}, {3, 33, 17}, {5, 512, 65}, {9, 132, 48}, {1, 1027, 130}})
    for (const LinearForm form : kForms) {
      SCOPED_TRACE(concat(n, " x ", inputs, " -> ", outputs, " form ", static_cast<int>(form)));
      const LinearCase c = linear_case(n, inputs, outputs, form != LinearForm::demodulation, rng);
      EXPECT_TRUE(close(expected_linear(c, form), run_linear(c, form, pool, {device()}), {.relative = 2e-6}));
    }
}

TEST_P(GpuDense, LinearKeepsItsBits) {
  std::mt19937 rng(25);
  ThreadPool pool(1);
  for (const int64_t inputs : {130, 136})
    for (const LinearForm form : kForms) {
      const LinearCase c = linear_case(10, inputs, 20, form != LinearForm::demodulation, rng);
      expect_device_laws(
          *device(), c, 10, [](const LinearCase& whole, int64_t n) { return image_of(whole, n); },
          [&](const LinearCase& some) { return run_linear(some, form, pool, {device()}); });
      // Vectors that lie where loads of 16 bytes are not allowed.
      EXPECT_EQ(run_linear(c, form, pool, {device()}).v,
                run_linear(std::vector{c}, form, pool, {device()}, 3).front().v);
    }
}

TEST_P(GpuDense, ManyJobsOfOneCall) {
  std::mt19937 rng(26);
  ThreadPool pool(1);
  std::vector<LinearCase> cases;
  for (int64_t i = 0; i < 70; ++i) cases.push_back(linear_case(2, 1 + i % 9 * 4, 1 + i % 7 * 9, true, rng));
  for (const LinearForm form : {LinearForm::plain, LinearForm::fused_lrelu}) {
    const std::vector<Tensor> together = run_linear(cases, form, pool, {device()});
    ASSERT_EQ(together.size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(concat("job ", i));
      EXPECT_TRUE(close(expected_linear(cases[i], form), together[i], {.relative = 2e-6}));
    }
  }
}

TEST_P(GpuDense, DemodulationOfAZeroStyleIsFinite) {
  ThreadPool pool(1);
  const LinearCase c{Tensor(3, 1, 1, 1, {0, 1, 1e15}), Tensor(1, 1, 1, 1, 1.0), {}};
  const Tensor d = run_linear(c, LinearForm::demodulation, pool, {device()});
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[0]), 1e4f);
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[1]), 1.f);
  EXPECT_FLOAT_EQ(static_cast<float>(d.v[2]), 1e-15f);
}

TEST_P(GpuDense, PixelNormMatchesReference) {
  std::mt19937 rng(test_seed(23));
  ThreadPool pool(1);
  for (const int64_t count : {1, 48, 127, 512}) {
    SCOPED_TRACE(count);
    const Tensor x = random_uniform(3, count, 1, 1, -2, 2, rng);
    EXPECT_TRUE(close(pixel_norm(x), run_pixel_norm(x, pool, {device()}), {.absolute = 1e-6}));
    expect_device_laws(*device(), x, x.n, batch_item,
                       [&](const Tensor& rows) { return run_pixel_norm(rows, pool, {device()}); });
  }
}

struct RgbSize {
  Size s;
  int64_t feature;
  bool skip;
};
// Images smaller than a block's pixels and of several blocks; of one pixel and of four for a group of lanes.
const RgbSize kRgbSizes[] = {{{1, 1, 2, 2}, 0, false},    {{1, 16, 4, 4}, 0, false},   {{2, 3, 2, 6}, 5, true},
                             {{1, 15, 6, 10}, 17, true},  {{1, 16, 16, 16}, 16, true}, {{3, 33, 10, 2}, 20, true},
                             {{2, 48, 22, 26}, 48, true}, {{1, 64, 32, 34}, 64, true}};

TEST_P(GpuDense, ToRgbMatchesReference) {
  const uint32_t seed = test_seed(22);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const ElementType type : kElementTypes)
    for (const RgbSize& k : kRgbSizes)
      for (const bool slices : {false, true}) {
        SCOPED_TRACE(concat(describe(k.s), " + ", k.feature, slices ? " in slices " : " ", name_of(type)));
        const RgbCase c = rgb_case(k.s, k.feature, k.skip, rng, type);
        EXPECT_TRUE(close(expected_to_rgb(c), run_to_rgb(c, {device(), type}, nullptr, slices), {.relative = 2e-6}));
      }
}

TEST_P(GpuDense, ToRgbKeepsItsBits) {
  std::mt19937 rng(27);
  for (const ElementType type : kElementTypes)
    for (const Size& s : {Size{3, 33, 10, 14}, {3, 20, 22, 24}}) {  // the second: other blocks alone than in the batch
      SCOPED_TRACE(concat(describe(s), " ", name_of(type)));
      expect_device_laws(
          *device(), rgb_case(s, 17, true, rng, type), s.n, [](const RgbCase& c, int64_t n) { return image_of(c, n); },
          [&](const RgbCase& c) {
            return run_to_rgb(c, {device(), type});
          });
    }
}

TEST_P(GpuDense, StoredStemMatchesReference) {
  std::mt19937 rng(91);
  std::vector<Size> sizes = bracketed_sizes();
  sizes.insert(sizes.end(), {{1, 64, 17, 19}, {1, 300, 3, 5}});
  for (const ElementType type : kElementTypes)
    for (const Size& s : sizes) {
      SCOPED_TRACE(concat(describe(s), " ", name_of(type)));
      const StemCase stem = random_stem(s.c, s.n, s.h, s.w, rng);
      EXPECT_TRUE(close(stem.value(), stored(stem, s.c, 1, {device(), type}), {.relative = 5e-7, .stored = type}));
    }
}

TEST_P(GpuDense, StoredStemKeepsItsBits) {
  std::mt19937 rng(92);
  for (const ElementType type : kElementTypes)
    expect_device_laws(
        *device(), random_stem(33, 3, 9, 13, rng), 3, [](const StemCase& s, int64_t n) { return image_of(s, n); },
        [&](const StemCase& s) {
          return stored(s, 33, 1, {device(), type});
        });
}

}  // namespace
}  // namespace gpen::test
