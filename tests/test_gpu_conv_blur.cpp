// The encoder's convolutions of a blurred picture, which are blurred while they are loaded: against the reference and
// against the way through a blurred picture in memory.
#include <cmath>

#include "support/gpu_conv.h"

namespace gpen::test {
namespace {

constexpr ConvTile kTiles[] = {ConvTile::m128n64, ConvTile::m128n128};

ConvPlan blurring(ConvTile tile, bool in_load = true) {
  ConvPlan plan{tile, 1};
  plan.blur_in_load = in_load;
  return plan;
}

class GpuConvBlur : public OnEachDevice {
 protected:
  ConvRun with(Precision p) const { return {.precision = p, .device = device()}; }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuConvBlur, ::testing::ValuesIn(tested_devices()), device_name);

// Less than a tile, edges inside of tiles, several tiles both ways, odd sizes; channels of less than a chunk of 64
// bytes, of several, of half a packed row of weights; one and several tiles of columns.
struct Shape {
  Channels channels;
  Size size;
};
constexpr Shape kShapes[] = {{{1, 1}, {1, 0, 2, 2}},     {{3, 16}, {2, 0, 5, 9}},     {{17, 70}, {1, 0, 16, 32}},
                             {{33, 48}, {2, 0, 19, 35}}, {{64, 128}, {1, 0, 34, 20}}, {{96, 130}, {1, 0, 7, 66}},
                             {{16, 64}, {3, 0, 36, 37}}};

ConvCase blurred_case(const Shape& s, Values v, bool scaled, std::mt19937& rng) {
  ConvCase c = full_case(kBlurred, s.channels, 0, s.size, v, rng);
  c.residual = c.residual2 = Tensor();
  c.gain2 = 1;
  if (!scaled) c.in_scale = Tensor();
  return c;
}

TEST_P(GpuConvBlur, ExactOnSmallIntegers) {
  std::mt19937 rng(71);
  for (const Shape& s : kShapes)
    for (const Precision p : {Precision::fp32, Precision::tf32})
      for (const ConvTile tile : kTiles) {
        const ConvCase c = plain_case(kBlurred, s.channels, s.size, Values::integers, rng);
        const ForcedPlan forced(blurring(tile));
        SCOPED_TRACE(concat(describe(c, "blurred", name_of(p)), " ", shape_of(tile).name));
        EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, with(p)), {.allow_mostly_zero = true}));
      }
}

TEST_P(GpuConvBlur, EqualsTheReferenceInEveryPrecision) {
  const uint32_t seed = test_seed(72);
  std::mt19937 rng(seed);
  size_t turn = 0;
  const uint64_t conflicts = gpu::emulation::statistics().bank_conflicts;
  for (const Shape& s : kShapes)
    for (const Precision p : kPrecisions) {
      const ConvTile tile = kTiles[turn % std::size(kTiles)];
      const ConvCase c = blurred_case(s, Values::uniform, turn++ % 3 == 0, rng);
      const ForcedPlan forced(blurring(tile));
      SCOPED_TRACE(concat(describe(c, "blurred", name_of(p)), " ", shape_of(tile).name, " GPEN_SEED=", seed));
      const Tensor actual = run_conv2d(c, with(p));
      if (p == Precision::fp32) {
        EXPECT_TRUE(judge(c, conv2d(c), ConvAlgorithm::direct, actual));
      }
      // A single value may be off by all of its rounding.
      EXPECT_LE(relative_rms(conv2d(c).value, actual), s.channels.out == 1 ? 4 * tolerance_of(p) : tolerance_of(p));
    }
  EXPECT_EQ(gpu::emulation::statistics().bank_conflicts, conflicts) << "of ldmatrix";
}

// A weight of one at a single tap shows the blurred values themselves: the same bits as those stored by the blur.
TEST_P(GpuConvBlur, TheBlurredValuesAreThoseThatWouldBeStored) {
  std::mt19937 rng(73);
  for (const Size& size : {Size{2, 0, 23, 39}, {1, 0, 6, 4}})
    for (int tap = 0; tap < 9; ++tap) {
      ConvCase c = plain_case(kBlurred, {40, 40}, size, Values::uniform, rng);
      c.bias.assign(40, 0);
      c.slope = c.gain = 1;
      for (double& v : c.weight.v) v = 0;
      for (int64_t i = 0; i < 40; ++i) c.weight.at(i, i, tap / 3, tap % 3) = 1;
      for (const Precision p : kPrecisions) {
        Tensor apart, together;
        {
          const ForcedPlan forced(blurring(ConvTile::m128n64, false));
          apart = run_conv2d(c, with(p));
        }
        const ForcedPlan forced(blurring(ConvTile::m128n64));
        together = run_conv2d(c, with(p));
        EXPECT_EQ(apart.v, together.v) << name_of(p) << ", tap " << tap;
      }
    }
}

TEST_P(GpuConvBlur, SchedulesAndBatchesDoNotChangeABit) {
  std::mt19937 rng(74);
  const ConvCase c = blurred_case({{33, 70}, {3, 0, 21, 37}}, Values::uniform, true, rng);
  for (const Precision p : kPrecisions) {
    const ForcedPlan forced(blurring(kTiles[p == Precision::fp16 || p == Precision::fp32]));
    const auto whole = run_conv2d(c, with(p)).v;
    for_each_schedule(*device(), [&](const char* schedule) {
      EXPECT_EQ(whole, run_conv2d(c, with(p)).v) << name_of(p) << ", " << schedule;
    });
    const auto image = static_cast<std::ptrdiff_t>(whole.size()) / c.x.n;
    for (int64_t n = 0; n < c.x.n; ++n)
      EXPECT_EQ(std::vector<double>(whole.begin() + n * image, whole.begin() + (n + 1) * image),
                run_conv2d(image_of(c, n), with(p)).v)
          << name_of(p) << ": image " << n << " alone";
  }
}

// One kernel instead of two; with residuals, splits or a tile of 64 rows two all the same.
TEST_P(GpuConvBlur, IsTakenWhereItCanBe) {
  if (GetParam() != "emulated") GTEST_SKIP() << "counts the emulation's blocks";
  std::mt19937 rng(75);
  const ConvCase plain = blurred_case({{32, 64}, {1, 0, 32, 32}}, Values::uniform, false, rng);
  const ConvCase full = full_case(kBlurred, {32, 64}, 0, {1, 0, 32, 32}, Values::uniform, rng);
  const auto blocks_of = [&](const ConvCase& c, ConvPlan plan) {
    const ForcedPlan forced(plan);
    const uint64_t before = gpu::emulation::statistics().blocks;
    const Tensor y = run_conv2d(c, with(Precision::fp16));
    EXPECT_LE(relative_rms(conv2d(c).value, y), tolerance_of(Precision::fp16));
    return gpu::emulation::statistics().blocks - before;
  };
  ConvPlan split = blurring(ConvTile::m128n64), small = blurring(ConvTile::m64n64);
  split.splits = 2;
  EXPECT_EQ(blocks_of(plain, blurring(ConvTile::m128n64)), 2u);  // 16 x 16 output pixels
  EXPECT_GT(blocks_of(plain, blurring(ConvTile::m128n64, false)), 2u);
  EXPECT_GT(blocks_of(full, blurring(ConvTile::m128n64)), 2u);
  EXPECT_GT(blocks_of(plain, split), 4u);
  EXPECT_GT(blocks_of(plain, small), 4u);
}

// The estimate leaves it to measured plans; those may ask for it wherever the shared memory suffices.
TEST(GpuConvBlurPlan, IsAllowedWhereTheSharedMemorySuffices) {
  struct {
    int capability;
    size_t shared_bytes;
    bool columns64, columns128;
  } constexpr kDevices[] = {{75, 64 * 1024, false, false},
                            {80, 163 * 1024, true, true},
                            {86, 99 * 1024, true, false},
                            {90, 227 * 1024, true, true}};
  for (const auto& d : kDevices) {
    SCOPED_TRACE(d.capability);
    DeviceInfo info;
    info.capability = d.capability, info.multiprocessors = 28, info.shared_bytes = d.shared_bytes;
    ConvWork work;
    work.rows[0] = 256 * 256;
    work.out_channels = 128;
    work.steps = 9;
    work.coefficient_bytes = 64 * 4;
    EXPECT_FALSE(takes_blur(work, blurring(ConvTile::m128n64), info)) << "not a blurred convolution";
    work.blur = true;
    EXPECT_FALSE(estimate_plan(work, info).blur_in_load);
    EXPECT_EQ(takes_blur(work, blurring(ConvTile::m128n64), info), d.columns64);
    EXPECT_EQ(takes_blur(work, blurring(ConvTile::m128n128), info), d.columns128);
    EXPECT_FALSE(takes_blur(work, blurring(ConvTile::m64n64), info));
  }
}

}  // namespace
}  // namespace gpen::test
