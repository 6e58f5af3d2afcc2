// Cases of conv2d and how close their results have to be, shared by its tests.
#pragma once
#include <algorithm>
#include <cmath>

#include "support/conv_runner.h"
#include "support/isa_emulated.h"
#include "support/kernel_cases.h"

namespace gpen::test {

// Every test runs once for each instruction set of this machine and for the emulated ones:
// INSTANTIATE_TEST_SUITE_P(Isa, NAME, ::testing::ValuesIn(tested_isas()), isa_of).
class OnEachIsa : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_isa(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(force_isa(available_isas().front()).ok()); }
  const char* isa() const { return isa_name(); }
};
inline std::string isa_of(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

struct Geometry {
  const char* name;
  int kernel, stride, pad;
  PadMode mode = PadMode::zero;
  int upsample = 1, blur_pad = 0;
};
inline constexpr Geometry k1x1 = {"1x1", 1, 1, 0};
inline constexpr Geometry k3x3 = {"3x3", 3, 1, 1};
inline constexpr Geometry k3x3Reflect = {"3x3 reflect", 3, 1, 1, PadMode::reflect};
inline constexpr Geometry k3x3Enlarged = {"3x3 enlarged", 3, 1, 1, PadMode::zero, 2};
inline constexpr Geometry k3x3EnlargedReflect = {"3x3 enlarged reflect", 3, 1, 1, PadMode::reflect, 2};
inline constexpr Geometry kStride2 = {"3x3 stride 2", 3, 2, 1};
inline constexpr Geometry kStride2NoPad = {"3x3 stride 2 no pad", 3, 2, 0};
inline constexpr Geometry kStride2Reflect = {"3x3 reflect stride 2", 3, 2, 1, PadMode::reflect};
inline constexpr Geometry kBlurred = {"3x3 blurred", 3, 2, 0, PadMode::zero, 1, 2};
inline constexpr Geometry kGeometries[] = {
    k1x1,
    {"1x1 stride 2", 1, 2, 0},
    k3x3,
    {"3x3 no pad", 3, 1, 0},
    kStride2,
    kStride2NoPad,
    {"7x7 stride 2", 7, 2, 3},
    k3x3Reflect,
    kStride2Reflect,
    k3x3Enlarged,
    k3x3EnlargedReflect,
    {"3x3 enlarged stride 2", 3, 2, 1, PadMode::zero, 2},
    kBlurred,
    {"1x1 blurred", 1, 2, 0, PadMode::zero, 1, 1},
};

// The algorithm other than direct that a geometry has; direct: none.
inline ConvAlgorithm transformed(const Geometry& g) {
  if (g.kernel != 3) return ConvAlgorithm::direct;
  if (g.stride == 1 && g.pad == 1) return ConvAlgorithm::winograd4x4;
  return g.stride == 2 && g.upsample == 1 ? ConvAlgorithm::nested3x2 : ConvAlgorithm::direct;
}

struct Channels {
  int64_t in, out;
};
inline constexpr Channels kChannels[] = {{1, 1}, {3, 16}, {15, 17}, {16, 32}, {17, 33}, {33, 48}, {48, 65}, {32, 15}};

inline bool fits(const Geometry& g, int64_t h, int64_t w) {
  const int64_t smallest = g.mode == PadMode::reflect ? 2 : 1;  // a single row has nothing to mirror
  const auto padded = [&](int64_t s) { return s * g.upsample + 2 * g.pad + (g.blur_pad > 0 ? 2 * g.blur_pad - 3 : 0); };
  return h * g.upsample >= smallest && w * g.upsample >= smallest && padded(h) >= g.kernel && padded(w) >= g.kernel;
}

enum class Values { integers, uniform };

inline Tensor values(Values v, int64_t n, int64_t c, int64_t h, int64_t w, int limit, std::mt19937& rng) {
  return v == Values::integers ? random_integers(n, c, h, w, limit, rng) : random_uniform(n, c, h, w, -1, 1, rng);
}

inline ConvCase plain_case(const Geometry& g, Channels ch, Size s, Values v, std::mt19937& rng) {
  ConvCase c;
  c.g = {.in_channels = ch.in, .out_channels = ch.out, .kernel_h = g.kernel, .kernel_w = g.kernel};
  c.g.stride = g.stride;
  c.g.pad = g.pad;
  c.g.pad_mode = g.mode;
  c.g.upsample = g.upsample;
  c.g.blur_pad = g.blur_pad;
  c.weight = values(v, ch.out, ch.in, g.kernel, g.kernel, 3, rng);
  c.bias = values(v, 1, ch.out, 1, 1, 9, rng).v;
  c.x = values(v, s.n, ch.in, s.h, s.w, 4, rng);
  c.slope = 0.25;
  c.gain = 2;
  return c;
}

// Everything conv2d.h offers at once: two scales, the feature half, both residuals.
inline ConvCase full_case(const Geometry& g, Channels ch, int64_t feature, Size s, Values v, std::mt19937& rng) {
  ConvCase c = plain_case(g, {ch.in + feature, ch.out}, s, v, rng);
  const bool exact = v == Values::integers;
  c.scale = exact ? 0.5 : 0.37f;
  c.x = values(v, s.n, ch.in, s.h, s.w, 4, rng);
  c.in_scale = values(v, s.n, ch.in + feature, 1, 1, 2, rng);
  if (feature > 0) {
    c.feature = values(v, s.n, feature, s.h, s.w, 4, rng);
    c.feature_gain = exact ? 2 : 0.7f;
    c.feature_bias = values(v, 1, feature, 1, 1, 3, rng).v;
  }
  const int64_t h = c.g.out_size(s.h, g.kernel), w = c.g.out_size(s.w, g.kernel);
  c.out_scale = values(v, s.n, ch.out, 1, 1, 2, rng);
  c.residual = values(v, s.n, ch.out, h, w, 9, rng);
  c.residual2 = values(v, s.n, ch.out, h, w, 9, rng);
  c.residual_slope = 0.5;
  c.gain2 = 0.25;
  return c;
}

// Of upconv2d: scales and, with feature channels, their half.
inline ConvCase up_case(Channels ch, int64_t feature, Size s, Values v, std::mt19937& rng) {
  ConvCase c = plain_case(k3x3, {ch.in + feature, ch.out}, s, v, rng);
  c.x = values(v, s.n, ch.in, s.h, s.w, 4, rng);
  c.in_scale = values(v, s.n, ch.in + feature, 1, 1, 2, rng);
  c.out_scale = values(v, s.n, ch.out, 1, 1, 2, rng);
  if (feature > 0) {
    c.feature = values(v, s.n, feature, s.h, s.w, 4, rng);
    c.feature_gain = 0.7f;
    c.feature_bias = values(v, 1, feature, 1, 1, 3, rng).v;
  }
  return c;
}

inline std::string describe(const ConvCase& c, const char* geometry, const char* isa) {
  return concat(geometry, " ", c.x.n, "x", c.x.c, "+", c.feature.c, "x", c.x.h, "x", c.x.w, " to ", c.g.out_channels,
                " channels on ", isa);
}

// Rounding errors of a sum of K products grow like its square root when they do not conspire; the constant covers the
// scales, bias and residuals. Measured over all cases: at most two thirds of this.
inline double direct_k(const ConvCase& c) {
  return 4 + std::sqrt(static_cast<double>(c.g.in_channels * c.g.kernel_h * c.g.kernel_w)) / 4;
}
// Transforms spread the errors of a whole patch over its outputs, so they are measured against the largest sum of the
// picture. Measured: at most half of this.
inline double transform_factor(ConvAlgorithm a) { return a == ConvAlgorithm::winograd4x4 ? 3 : 0.5; }

inline ::testing::AssertionResult judge(const ConvCase& c, const Judged& j, ConvAlgorithm algorithm,
                                        const Tensor& actual) {
  if (algorithm == ConvAlgorithm::direct)
    return close(j.value, actual, {.k_eps = direct_k(c), .magnitude = &j.magnitude, .allow_mostly_zero = true});
  Tensor magnitude = j.magnitude;
  std::fill(magnitude.v.begin(), magnitude.v.end(), *std::max_element(magnitude.v.begin(), magnitude.v.end()));
  return close(
      j.value, actual,
      {.k_eps = transform_factor(algorithm) * direct_k(c), .magnitude = &magnitude, .allow_mostly_zero = true});
}

// Bitwise: a second run, any number of threads, an image alone or in its batch.
inline void expect_same_bits(const ConvCase& c, ConvAlgorithm algorithm, Precision precision = Precision::fp32,
                             Tensor (*run)(const ConvCase&, const ConvRun&) = run_conv2d) {
  const auto bits = [&](const ConvCase& which, int threads, bool slices) {
    return run(which, {.algorithm = algorithm, .precision = precision, .threads = threads, .slices = slices}).v;
  };
  const std::vector<double> one = bits(c, 1, true);
  EXPECT_EQ(one, bits(c, 1, true)) << "second run";
  EXPECT_EQ(one, bits(c, 2, false)) << "two threads";
  EXPECT_EQ(one, bits(c, 5, true)) << "five threads";
  const std::ptrdiff_t image = static_cast<std::ptrdiff_t>(one.size()) / c.x.n;
  for (int64_t n = 0; n < c.x.n; ++n)
    EXPECT_EQ(std::vector<double>(one.begin() + n * image, one.begin() + (n + 1) * image),
              bits(image_of(c, n), 2, true))
        << "image " << n << " alone";
}

}  // namespace gpen::test
