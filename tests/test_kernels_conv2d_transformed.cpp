// conv2d by Winograd F(4x4,3x3) and nested F(3,2): geometries, tiles, blocks and both schedules.
#include "kernels/transform_gemm.h"
#include "support/conv_cases.h"

namespace gpen::test {
namespace {

using Transformed = OnEachIsa;
INSTANTIATE_TEST_SUITE_P(Isa, Transformed, ::testing::ValuesIn(tested_isas()), isa_of);

std::vector<Geometry> transformed_geometries() {
  std::vector<Geometry> out;
  for (const Geometry& g : kGeometries)
    if (transformed(g) != ConvAlgorithm::direct) out.push_back(g);
  return out;
}

TEST(TransformedGeometries, AreAllThere) { EXPECT_EQ(transformed_geometries().size(), 8u); }

// The transforms of nested F(3,2) add and halve: nothing is rounded.
TEST_P(Transformed, NestedIsExactOnSmallIntegers) {
  std::mt19937 rng(51);
  size_t turn = 0;
  for (const Geometry& g : {kStride2, kStride2NoPad, kStride2Reflect, kBlurred})
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const ConvCase c = plain_case(g, kChannels[turn++ % std::size(kChannels)], s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g.name, isa()));
      EXPECT_TRUE(
          close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::nested3x2}), {.allow_mostly_zero = true}));
    }
}

TEST_P(Transformed, RandomEveryGeometry) {
  const uint32_t seed = test_seed(52);
  std::mt19937 rng(seed);
  size_t turn = 0;
  for (const Geometry& g : transformed_geometries())
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const ConvCase c = plain_case(g, kChannels[turn++ % std::size(kChannels)], s, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      EXPECT_TRUE(judge(c, conv2d(c), transformed(g), run_conv2d(c, {.algorithm = transformed(g)})));
    }
}

TEST_P(Transformed, RandomWithFeatureScalesAndResiduals) {
  const uint32_t seed = test_seed(53);
  std::mt19937 rng(seed);
  for (const Geometry& g : transformed_geometries())
    for (const int64_t feature : {0, 16, 24}) {
      const ConvCase c = full_case(g, {32, 40}, feature, {2, 0, 7, 10}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      const Judged j = conv2d(c);
      for (const bool in_place : {false, true})
        EXPECT_TRUE(judge(c, j, transformed(g), run_conv2d(c, {.algorithm = transformed(g), .in_place = in_place})));
    }
}

TEST_P(Transformed, ResidualsOneAtATimeAndInPlace) {
  std::mt19937 rng(54);
  for (const Geometry& g : {k3x3, kStride2, kBlurred})
    for (const bool second : {false, true}) {
      ConvCase c = full_case(g, {32, 32}, 0, {2, 0, 9, 11}, Values::uniform, rng);
      (second ? c.residual : c.residual2) = Tensor();
      if (second) c.residual_slope = 1;
      EXPECT_TRUE(judge(c, conv2d(c), transformed(g), run_conv2d(c, {.algorithm = transformed(g), .in_place = true})))
          << g.name;
    }
}

// Around 4 x 4 tiles, rows of 32 of them, blocks of 28 and 30.
TEST_P(Transformed, TilesOfWinograd) {
  std::mt19937 rng(55);
  const Size sizes[] = {{1, 0, 5, 13},  {1, 0, 4, 14},  {1, 0, 6, 57},  {1, 0, 5, 71}, {1, 0, 19, 29}, {1, 0, 4, 112},
                        {1, 0, 9, 113}, {2, 0, 33, 12}, {1, 0, 29, 31}, {1, 0, 1, 40}, {1, 0, 3, 131}, {3, 0, 2, 37}};
  for (const Size& s : sizes) {
    const ConvCase c = plain_case(k3x3, {16, 16}, s, Values::uniform, rng);
    SCOPED_TRACE(describe(c, "3x3", isa()));
    EXPECT_TRUE(
        judge(c, conv2d(c), ConvAlgorithm::winograd4x4, run_conv2d(c, {.algorithm = ConvAlgorithm::winograd4x4})));
  }
}

// The same of the results' 3 x 3 tiles.
TEST_P(Transformed, TilesOfNested) {
  std::mt19937 rng(56);
  const Size results[] = {{1, 0, 1, 1},  {1, 0, 2, 3},  {1, 0, 3, 2},  {1, 0, 4, 4},  {1, 0, 3, 84},
                          {1, 0, 1, 85}, {1, 0, 4, 45}, {2, 0, 2, 90}, {1, 0, 3, 96}, {1, 0, 2, 97},
                          {2, 0, 31, 2}, {3, 0, 7, 11}, {1, 0, 16, 17}};
  for (const Size& r : results)
    for (const Geometry& g : {kStride2, kBlurred})
      for (const int64_t odd : {0, 1}) {
        const int64_t h = 2 * r.h - odd, w = 2 * r.w - odd;
        if (!fits(g, h, w)) continue;
        const ConvCase c = plain_case(g, {16, 16}, {r.n, 0, h, w}, Values::integers, rng);
        SCOPED_TRACE(describe(c, g.name, isa()));
        EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = ConvAlgorithm::nested3x2}),
                          {.allow_mostly_zero = true}));
      }
}

// More input channels than one pass over the weights takes (16 blocks).
TEST_P(Transformed, ManyInputChannels) {
  std::mt19937 rng(57);
  for (const Geometry& g : {k3x3, kStride2, kBlurred}) {
    const ConvCase c = full_case(g, {256, 17}, 40, {1, 0, 9, 7}, Values::uniform, rng);
    SCOPED_TRACE(describe(c, g.name, isa()));
    EXPECT_TRUE(judge(c, conv2d(c), transformed(g), run_conv2d(c, {.algorithm = transformed(g)})));
  }
}

TEST_P(Transformed, BatchesThreadsAndRunsAreBitwiseEqual) {
  std::mt19937 rng(58);
  for (const Geometry& g : transformed_geometries()) {
    const ConvCase c = full_case(g, {48, 80}, 16, {3, 0, 9, 38}, Values::uniform, rng);
    SCOPED_TRACE(describe(c, g.name, isa()));
    expect_same_bits(c, transformed(g));
  }
}

// Large weights: all threads work on one block of tiles. 12 images make more than one such block, each alone is less.
struct Shared {
  Geometry geometry;
  const TransformScheme& scheme;
  Channels channels;
  int64_t side, tiles;  // of one image
};
const Shared kShared[] = {{k3x3, kWinograd4x4, {272, 224}, 27, 49}, {kBlurred, kNested3x2, {304, 288}, 30, 25}};

TEST_P(Transformed, SharedScheduleMatchesTheReference) {
  std::mt19937 rng(59);
  for (const Shared& s : kShared) {
    ASSERT_TRUE(plan_transform(s.scheme, isa_kernels(), s.channels.in / 16, s.channels.out / 16, s.tiles, 2).shared);
    const ConvCase c = plain_case(s.geometry, s.channels, {1, 0, 7, 9}, Values::uniform, rng);
    SCOPED_TRACE(describe(c, s.geometry.name, isa()));
    const ConvAlgorithm algorithm = transformed(s.geometry);
    EXPECT_TRUE(judge(c, conv2d(c), algorithm, run_conv2d(c, {.algorithm = algorithm})));
  }
}

TEST_P(Transformed, SharedBlocksAreBitwiseEqual) {
  std::mt19937 rng(60);
  for (const Shared& s : kShared) {
    constexpr int64_t kImages = 12;
    const auto plan = [&](int64_t tiles) {
      return plan_transform(s.scheme, isa_kernels(), s.channels.in / 16, s.channels.out / 16, tiles, 2);
    };
    ASSERT_TRUE(plan(kImages * s.tiles).shared);
    ASSERT_LT(plan(kImages * s.tiles).block_tiles, kImages * s.tiles);
    ASSERT_EQ(plan(s.tiles).block_tiles, s.tiles);
    const ConvCase c = plain_case(s.geometry, s.channels, {kImages, 0, s.side, s.side}, Values::uniform, rng);
    SCOPED_TRACE(describe(c, s.geometry.name, isa()));
    const ConvRun how{.algorithm = transformed(s.geometry), .threads = 3};
    const Tensor whole = run_conv2d(c, how);
    EXPECT_EQ(whole.v, run_conv2d(c, {.algorithm = how.algorithm, .threads = 1}).v) << "one thread";
    for (const int64_t n : {int64_t{0}, kImages / 2, kImages - 1})
      EXPECT_EQ(batch_item(whole, n).v, run_conv2d(image_of(c, n), how).v) << "image " << n << " alone";
  }
}

TEST_P(Transformed, ConstantInputGivesTheSumOfTheWeights) {
  std::mt19937 rng(61);
  for (const Geometry& g : {k3x3Reflect, kStride2Reflect}) {  // no border
    ConvCase c = plain_case(g, {32, 32}, {1, 0, 25, 26}, Values::uniform, rng);
    c.x = Tensor(1, 32, 25, 26, 0.5);
    const Tensor y = run_conv2d(c, {.algorithm = transformed(g)});
    const Judged j = conv2d(c);
    EXPECT_TRUE(judge(c, j, transformed(g), y)) << g.name;
    for (int64_t o = 0; o < 32; ++o)
      EXPECT_NEAR(y.at(0, o, 0, 0), y.at(0, o, 6, 6), 1e-4 * j.magnitude.at(0, o, 0, 0)) << g.name;
  }
}

// A transform spreads NaN over its tile, never beyond, and never loses it.
TEST_P(Transformed, NanReachesTheOutputsThatReadIt) {
  std::mt19937 rng(62);
  for (const Geometry& g : {k3x3, kStride2}) {
    ConvCase c = plain_case(g, {16, 16}, {1, 0, 24, 24}, Values::uniform, rng);
    c.slope = c.gain = 1;
    c.x.at(0, 3, 12, 12) = std::nan("");
    const Tensor right = conv2d(c).value, y = run_conv2d(c, {.algorithm = transformed(g)});
    int64_t nans = 0;
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t k = 0; k < y.w; ++k) {
        if (std::isnan(right.at(0, 7, i, k))) {
          EXPECT_TRUE(std::isnan(y.at(0, 7, i, k))) << g.name << i << ", " << k;
        }
        nans += std::isnan(y.at(0, 7, i, k));
      }
    EXPECT_LE(nans, 4 * 16) << g.name;  // at most four tiles read a pixel
  }
}

}  // namespace
}  // namespace gpen::test
