// RgbStem: GPEN's ecd0 computed where it is read.
#include "kernels/to_rgb.h"
#include "support/conv_cases.h"

namespace gpen::test {
namespace {

StemCase random_stem(int64_t channels, int64_t n, int64_t h, int64_t w, std::mt19937& rng) {
  StemCase s;
  s.rgb = rounded(random_uniform(n, 3, h, w, -1, 1, rng));
  s.weight = rounded(random_uniform(channels, 3, 1, 1, -1, 1, rng));
  s.bias = rounded(random_uniform(1, channels, 1, 1, -0.5, 0.5, rng)).v;
  s.scale = 1 / std::sqrt(3.0);
  return s;
}

// The stem's tensor as apply_rgb_stem stores it.
Tensor stored(const StemCase& s, int64_t channels, int threads = 2) {
  ThreadPool pool(threads);
  const StemBuffers buffers(s, pool);
  const GuardedTensor y(s.rgb.n, channels, s.rgb.h, s.rgb.w, Layout::nchw16c);
  Workspace ws;
  Exec exec{pool, ws};
  apply_rgb_stem(exec, buffers.stem(), y.view());
  EXPECT_TRUE(y.intact());
  return y.values();
}

using Stem = OnEachIsa;
INSTANTIATE_TEST_SUITE_P(Isa, Stem, ::testing::ValuesIn(tested_isas()), isa_of);

TEST_P(Stem, StoredMatchesTheReference) {
  std::mt19937 rng(91);
  for (const Size& s : bracketed_sizes()) {
    const StemCase stem = random_stem(s.c, s.n, s.h, s.w, rng);
    SCOPED_TRACE(concat(s.n, "x", s.c, "x", s.h, "x", s.w, " on ", isa()));
    const Tensor y = stored(stem, s.c);
    EXPECT_TRUE(close(stem.value(), y, {.relative = 5e-7}));
    EXPECT_EQ(y.v, stored(stem, s.c, 1).v);
    EXPECT_EQ(batch_item(y, s.n - 1).v,
              stored({batch_item(stem.rgb, s.n - 1), stem.weight, stem.scale, stem.bias}, s.c).v);
  }
}

// Both as x and as the feature; every source geometry; each algorithm and precision. What is computed where it is read
// are the bits that would have been stored.
struct Reader {
  Geometry g;
  ConvAlgorithm algorithm;
  Precision precision = Precision::fp32;
};
const Reader kReaders[] = {{k1x1, ConvAlgorithm::direct},
                           {k3x3, ConvAlgorithm::direct},
                           {k3x3, ConvAlgorithm::winograd4x4},
                           {k3x3Enlarged, ConvAlgorithm::winograd4x4},
                           {k3x3EnlargedReflect, ConvAlgorithm::direct},
                           {kStride2, ConvAlgorithm::nested3x2},
                           {kStride2Reflect, ConvAlgorithm::nested3x2},
                           {kBlurred, ConvAlgorithm::direct},
                           {kBlurred, ConvAlgorithm::nested3x2},
                           {k3x3, ConvAlgorithm::direct, Precision::bf16},
                           {k3x3, ConvAlgorithm::winograd4x4, Precision::bf16}};

TEST_P(Stem, ConvolutionOfX) {
  std::mt19937 rng(92);
  for (const Reader& r : kReaders)
    for (const Size& s : {Size{2, 20, 9, 13}, {1, 64, 8, 40}, {1, 3, 2, 2}}) {
      const StemCase stem = random_stem(s.c, s.n, s.h, s.w, rng);
      ConvCase c = full_case(r.g, {s.c, 24}, 0, s, Values::uniform, rng);
      c.x = stem.value();
      SCOPED_TRACE(concat(describe(c, r.g.name, isa()), " ", name_of(r.algorithm), " ", name_of(r.precision)));
      const ConvRun how{.algorithm = r.algorithm, .precision = r.precision, .stem = &stem};
      const Tensor y = run_conv2d(c, how);
      if (r.precision == Precision::fp32) {
        EXPECT_TRUE(judge(c, conv2d(c), r.algorithm, y));
      }
      c.x = stored(stem, s.c);
      EXPECT_EQ(y.v, run_conv2d(c, {.algorithm = r.algorithm, .precision = r.precision}).v);
    }
}

TEST_P(Stem, ConvolutionOfTheFeature) {
  std::mt19937 rng(93);
  for (const Reader& r : kReaders)
    for (const Size& s : {Size{2, 20, 9, 13}, {1, 64, 8, 40}, {1, 3, 2, 2}}) {
      const StemCase stem = random_stem(s.c, s.n, s.h, s.w, rng);
      ConvCase c = full_case(r.g, {33, 24}, s.c, s, Values::uniform, rng);
      c.feature = stem.value();
      SCOPED_TRACE(concat(describe(c, r.g.name, isa()), " ", name_of(r.algorithm), " ", name_of(r.precision)));
      const ConvRun how{.algorithm = r.algorithm, .precision = r.precision, .stem = &stem};
      const Tensor y = run_conv2d(c, how);
      if (r.precision == Precision::fp32) {
        EXPECT_TRUE(judge(c, conv2d(c), r.algorithm, y));
      }
      c.feature = stored(stem, s.c);
      EXPECT_EQ(y.v, run_conv2d(c, {.algorithm = r.algorithm, .precision = r.precision}).v);
    }
}

TEST_P(Stem, UpConvolutionOfTheFeature) {
  std::mt19937 rng(94);
  for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::nested3x2})
    for (const Precision p : {Precision::fp32, Precision::bf16}) {
      const StemCase stem = random_stem(20, 2, 7, 11, rng);
      ConvCase c = full_case(k3x3, {33, 24}, 20, {2, 0, 7, 11}, Values::uniform, rng);
      c.residual = c.residual2 = Tensor();
      c.feature = stem.value();
      SCOPED_TRACE(concat(name_of(a), " ", name_of(p), " on ", isa()));
      const Tensor y = run_upconv2d(c, {.algorithm = a, .precision = p, .stem = &stem});
      if (p == Precision::fp32) {
        EXPECT_TRUE(close(upconv2d(c).value, y, {.relative = 2e-6}));
      }
      c.feature = stored(stem, 20);
      EXPECT_EQ(y.v, run_upconv2d(c, {.algorithm = a, .precision = p}).v);
    }
}

TEST_P(Stem, ThreadsAndBatchesDoNotChangeABit) {
  std::mt19937 rng(95);
  for (const Reader& r : kReaders) {
    const StemCase stem = random_stem(20, 3, 9, 13, rng);
    ConvCase c = full_case(r.g, {33, 24}, 20, {3, 0, 9, 13}, Values::uniform, rng);
    c.feature = stem.value();
    SCOPED_TRACE(concat(describe(c, r.g.name, isa()), " ", name_of(r.algorithm), " ", name_of(r.precision)));
    ConvRun how{.algorithm = r.algorithm, .precision = r.precision, .threads = 1, .stem = &stem};
    const Tensor whole = run_conv2d(c, how);
    how.threads = 3;
    EXPECT_EQ(whole.v, run_conv2d(c, how).v);
    for (int64_t n = 0; n < 3; ++n) {
      const StemCase one{batch_item(stem.rgb, n), stem.weight, stem.scale, stem.bias};
      how.stem = &one;
      EXPECT_EQ(batch_item(whole, n).v, run_conv2d(image_of(c, n), how).v) << "image " << n << " alone";
    }
  }
}

Tensor run_to_rgb(const ConvCase& c, const Tensor& style, const Tensor& weight, const std::vector<double>& bias,
                  const Tensor& skip, const StemCase* stem) {
  ThreadPool pool(2);
  const InputBuffers input(c, {.stem = stem}, pool);
  const std::vector<float> bias_f = to_floats(bias), scales = padded_rows(style, {c.x.c, c.feature.c});
  const ToRgbWeights packed = ToRgbWeights::pack(c.x.c, c.feature.c, to_floats(weight.v).data(), bias_f.data());
  const GuardedTensor small(skip, Layout::nchw), y(c.x.n, 3, c.x.h, c.x.w, Layout::nchw);
  ConvInput in = input.in;
  in.in_scale = scales.data();
  EXPECT_TRUE(run_planned(pool, [&](Exec& exec) {
                to_rgb(exec, packed, in, small.view(), y.view());
                return Status();
              }).ok());
  EXPECT_TRUE(y.intact());
  return y.values();
}

TEST_P(Stem, ToRgb) {
  std::mt19937 rng(96);
  struct Case {
    int64_t n, x, feature, h, w;
  };
  for (const Case& k : {Case{2, 3, 5, 2, 6}, {1, 16, 16, 16, 16}, {3, 33, 20, 10, 2}, {1, 64, 64, 4, 38}}) {
    const StemCase stem = random_stem(k.feature, k.n, k.h, k.w, rng);
    ConvCase c;
    c.x = rounded(random_uniform(k.n, k.x, k.h, k.w, -1, 1, rng));
    c.feature = stem.value();
    c.feature_gain = 0.5;
    c.feature_bias = rounded(random_uniform(1, k.feature, 1, 1, -1, 1, rng)).v;
    const int64_t channels = k.x + k.feature;
    const Tensor weight = rounded(random_uniform(3, channels, 1, 1, -1, 1, rng));
    const Tensor style = rounded(random_uniform(k.n, channels, 1, 1, 0.5, 1.5, rng));
    const std::vector<double> bias = rounded(random_uniform(1, 3, 1, 1, -1, 1, rng)).v;
    const Tensor skip = rounded(random_uniform(k.n, 3, k.h / 2, k.w / 2, -1, 1, rng));
    Tensor noise = c.feature;
    for (double& v : noise.v) v *= c.feature_gain;
    const Tensor right =
        to_rgb(concat_channels(c.x, fused_leaky_relu(noise, c.feature_bias)), style, weight, bias, skip, fir4(4));
    SCOPED_TRACE(concat(k.n, " ", k.x, "+", k.feature, " ", k.h, "x", k.w, " on ", isa()));
    const Tensor y = run_to_rgb(c, style, weight, bias, skip, &stem);
    EXPECT_TRUE(close(right, y, {.relative = 2e-6}));
    c.feature = stored(stem, k.feature);
    EXPECT_EQ(y.v, run_to_rgb(c, style, weight, bias, skip, nullptr).v);
  }
}

}  // namespace
}  // namespace gpen::test
