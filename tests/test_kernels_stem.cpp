// RgbStem: GPEN's ecd0 computed where it is read.
#include "support/conv_cases.h"
#include "support/dense_cases.h"

namespace gpen::test {
namespace {

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
    EXPECT_EQ(batch_item(y, s.n - 1).v, stored(image_of(stem, s.n - 1), s.c).v);
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
      const StemCase one = image_of(stem, n);
      how.stem = &one;
      EXPECT_EQ(batch_item(whole, n).v, run_conv2d(image_of(c, n), how).v) << "image " << n << " alone";
    }
  }
}

TEST_P(Stem, ToRgb) {
  std::mt19937 rng(96);
  struct Case {
    Size s;
    int64_t feature;
  };
  for (const Case& k : {Case{{2, 3, 2, 6}, 5}, {{1, 16, 16, 16}, 16}, {{3, 33, 10, 2}, 20}, {{1, 64, 4, 38}, 64}}) {
    SCOPED_TRACE(concat(describe(k.s), " + ", k.feature, " on ", isa()));
    const StemCase stem = random_stem(k.feature, k.s.n, k.s.h, k.s.w, rng);
    RgbCase c = rgb_case(k.s, k.feature, true, rng);
    c.feature = stem.value();
    const Tensor y = run_to_rgb(c, {}, &stem);
    EXPECT_TRUE(close(expected_to_rgb(c), y, {.relative = 2e-6}));
    c.feature = stored(stem, k.feature);
    EXPECT_EQ(y.v, run_to_rgb(c).v);
  }
}

}  // namespace
}  // namespace gpen::test
