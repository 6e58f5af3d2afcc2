// conv2d, direct: every geometry and instruction set against the double-precision reference.
#include "support/conv_cases.h"

namespace gpen::test {
namespace {

constexpr ConvAlgorithm kDirect = ConvAlgorithm::direct;

using Conv2d = OnEachIsa;
INSTANTIATE_TEST_SUITE_P(Isa, Conv2d, ::testing::ValuesIn(tested_isas()), isa_of);

TEST_P(Conv2d, SmallIntegersAreExact) {
  std::mt19937 rng(41);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const Channels ch = kChannels[turn++ % std::size(kChannels)];
      const ConvCase c = plain_case(g, ch, s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g.name, isa()));
      EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = kDirect}), {.allow_mostly_zero = true}));
    }
}

TEST_P(Conv2d, ScalesAndResidualsAreExactOnSmallIntegers) {
  std::mt19937 rng(42);
  for (const Geometry& g : kGeometries) {
    const ConvCase c = full_case(g, {16, 33}, 0, {2, 0, 8, 9}, Values::integers, rng);
    SCOPED_TRACE(describe(c, g.name, isa()));
    EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = kDirect}), {}));
  }
}

// Around the micro-kernel's rows and the direct tile (4 x rows, 256 pixels).
const Size kTileSizes[] = {{1, 0, 5, 13},  {1, 0, 4, 14},  {1, 0, 6, 57},  {1, 0, 5, 71},  {1, 0, 19, 29},
                           {1, 0, 4, 112}, {1, 0, 9, 113}, {2, 0, 33, 12}, {1, 0, 29, 31}, {1, 0, 1, 40}};

TEST_P(Conv2d, Tiles) {
  std::mt19937 rng(43);
  for (const Size& s : kTileSizes)
    for (const Geometry& g : {k3x3, kStride2}) {
      const ConvCase c = plain_case(g, {16, 16}, s, Values::integers, rng);
      SCOPED_TRACE(describe(c, g.name, isa()));
      EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, {.algorithm = kDirect}), {}));
    }
}

TEST_P(Conv2d, RandomEveryGeometry) {
  const uint32_t seed = test_seed(45);
  std::mt19937 rng(seed);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const Size& s : bracketed_sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const Channels ch = kChannels[turn++ % std::size(kChannels)];
      const ConvCase c = plain_case(g, ch, s, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      EXPECT_TRUE(judge(c, conv2d(c), kDirect, run_conv2d(c, {.algorithm = kDirect})));
    }
}

TEST_P(Conv2d, RandomWithFeatureScalesAndResiduals) {
  const uint32_t seed = test_seed(46);
  std::mt19937 rng(seed);
  for (const Geometry& g : kGeometries)
    for (const int64_t feature : {0, 16, 24}) {
      const ConvCase c = full_case(g, {32, 40}, feature, {2, 0, 7, 10}, Values::uniform, rng);
      SCOPED_TRACE(concat(describe(c, g.name, isa()), " GPEN_SEED=", seed));
      const Judged j = conv2d(c);
      for (const bool in_place : {false, true})
        EXPECT_TRUE(judge(c, j, kDirect, run_conv2d(c, {.algorithm = kDirect, .in_place = in_place})));
    }
}

TEST_P(Conv2d, ResidualsOneAtATimeAndInPlace) {
  std::mt19937 rng(47);
  for (const bool second : {false, true}) {
    ConvCase c = full_case(k3x3, {32, 32}, 0, {2, 0, 9, 11}, Values::uniform, rng);
    (second ? c.residual : c.residual2) = Tensor();
    if (second) c.residual_slope = 1;
    EXPECT_TRUE(judge(c, conv2d(c), kDirect, run_conv2d(c, {.algorithm = kDirect, .in_place = true})));
  }
}

TEST_P(Conv2d, BatchesThreadsAndRunsAreBitwiseEqual) {
  std::mt19937 rng(48);
  for (const Geometry& g : kGeometries) {
    const ConvCase c = full_case(g, {48, 80}, 16, {3, 0, 9, 18}, Values::uniform, rng);
    SCOPED_TRACE(describe(c, g.name, isa()));
    expect_same_bits(c, kDirect);
  }
}

TEST_P(Conv2d, ConstantInputGivesTheSumOfTheWeights) {
  std::mt19937 rng(49);
  ConvCase c = plain_case(k3x3Reflect, {32, 32}, {1, 0, 13, 14}, Values::uniform, rng);  // reflect: no border
  c.x = Tensor(1, 32, 13, 14, 0.5);
  const Tensor y = run_conv2d(c, {.algorithm = kDirect});
  const Judged j = conv2d(c);
  EXPECT_TRUE(judge(c, j, kDirect, y));
  for (int64_t o = 0; o < 32; ++o) EXPECT_NEAR(y.at(0, o, 0, 0), y.at(0, o, 6, 6), 1e-4 * j.magnitude.at(0, o, 0, 0));
}

TEST_P(Conv2d, NanAndInfinityReachTheOutputsThatReadThem) {
  std::mt19937 rng(50);
  ConvCase c = plain_case(k3x3, {16, 16}, {1, 0, 9, 9}, Values::uniform, rng);
  c.slope = c.gain = 1;
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    c.x.at(0, 3, 4, 4) = bad;
    const Tensor y = run_conv2d(c, {.algorithm = kDirect});
    for (int64_t i = 0; i < 9; ++i)
      for (int64_t k = 0; k < 9; ++k)
        EXPECT_EQ(!std::isfinite(y.at(0, 7, i, k)), std::abs(i - 4) <= 1 && std::abs(k - 4) <= 1) << i << ", " << k;
  }
}

TEST(Conv2dWeights, AutomaticChoosesByGeometry) {
  ThreadPool pool(1);
  const std::vector<float> weight(64 * 64 * 9, 1.0f);
  const auto chosen = [&](int64_t in, int64_t out, auto change) {
    ConvGeometry g{.in_channels = in, .out_channels = out};
    change(g);
    const auto w = Conv2dWeights::pack(g, weight.data(), 1, {}, pool);
    EXPECT_TRUE(w.ok());
    return w.ok() ? w->algorithm() : ConvAlgorithm::automatic;
  };
  const auto same = [](ConvGeometry&) {};
  const auto stride2 = [](ConvGeometry& g) { g.stride = 2; };
  EXPECT_EQ(chosen(64, 64, same), ConvAlgorithm::winograd4x4);
  EXPECT_EQ(chosen(64, 64, stride2), ConvAlgorithm::nested3x2);
  EXPECT_EQ(chosen(64, 32, stride2), ConvAlgorithm::nested3x2);
  EXPECT_EQ(chosen(64, 31, stride2), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(31, 64, same), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(3, 64, same), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(64, 64, [](ConvGeometry& g) { g.stride = 2, g.pad = 0, g.blur_pad = 2; }), ConvAlgorithm::nested3x2);
  EXPECT_EQ(chosen(64, 64, [](ConvGeometry& g) { g.stride = 2, g.upsample = 2; }), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(64, 64, [](ConvGeometry& g) { g.pad = 0; }), ConvAlgorithm::direct);
  EXPECT_EQ(chosen(64, 64, [](ConvGeometry& g) { g.kernel_h = g.kernel_w = 1, g.pad = 0; }), ConvAlgorithm::direct);
}

TEST(Conv2dWeights, RefusesWhatItCannotDo) {
  ThreadPool pool(1);
  const std::vector<float> weight(16 * 16 * 9, 1.0f);
  const auto code = [&](auto change, ConvAlgorithm algorithm, size_t biases, int64_t split = 0) {
    ConvGeometry g{.in_channels = 16, .out_channels = 16};
    change(g);
    return Conv2dWeights::pack(g, weight.data(), 1, std::vector<float>(biases), pool, algorithm, split).status().code();
  };
  const auto same = [](ConvGeometry&) {};
  const auto stride2 = [](ConvGeometry& g) { g.stride = 2; };
  EXPECT_EQ(code(same, ConvAlgorithm::winograd4x4, 16), Code::ok);
  EXPECT_EQ(code(stride2, ConvAlgorithm::nested3x2, 16), Code::ok);
  EXPECT_EQ(code(same, ConvAlgorithm::automatic, 15), Code::usage);
  EXPECT_EQ(code(same, ConvAlgorithm::automatic, 0, 17), Code::usage);
  EXPECT_EQ(code(stride2, ConvAlgorithm::winograd4x4, 0), Code::usage);
  EXPECT_EQ(code(same, ConvAlgorithm::nested3x2, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.stride = g.upsample = 2; }, ConvAlgorithm::nested3x2, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.stride = 3; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.upsample = 4; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.blur_pad = 2; }, ConvAlgorithm::automatic, 0), Code::usage);
  EXPECT_EQ(code([](ConvGeometry& g) { g.in_channels = 0; }, ConvAlgorithm::automatic, 0), Code::usage);
}

TEST(Isa, RegisteredTablesAreKnownAndNeverChosen) {
  const std::vector<std::string> before = tested_isas();
  EXPECT_EQ(tested_isas(), before) << "registered twice";
  ASSERT_GE(before.size(), 3u);
  EXPECT_EQ(before[before.size() - 2], "emulated_avx512");
  EXPECT_EQ(before.back(), "emulated_avx512_bf16");
  EXPECT_EQ(std::string(isa_name()).find("emulated"), std::string::npos);
  EXPECT_FALSE(force_isa("mmx").ok());
}

}  // namespace
}  // namespace gpen::test
