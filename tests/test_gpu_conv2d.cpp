// conv2d and upconv2d of a device, in every precision, with every tile and with split sums, against the same references
// and with the same cases as the processor's.
#include "support/gpu_conv.h"

namespace gpen::test {
namespace {

constexpr ConvPlan kPlans[] = {{ConvTile::m64n64, 1}, {ConvTile::m128n64, 1}, {ConvTile::m128n128, 1},
                               {ConvTile::m64n64, 3}, {ConvTile::m128n64, 2}, {ConvTile::m128n128, 2}};

std::string text(ConvPlan plan) { return concat(shape_of(plan.tile).name, " in ", plan.splits); }

class GpuConv : public OnEachDevice {
 protected:
  ConvRun with(Precision p) const { return {.precision = p, .device = device()}; }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuConv, ::testing::ValuesIn(tested_devices()), device_name);

std::vector<Size> sizes() { return {{1, 0, 1, 1}, {1, 0, 8, 8}, {2, 0, 7, 10}, {1, 0, 9, 15}, {3, 0, 2, 5}}; }

TEST_P(GpuConv, ExactOnSmallIntegers) {
  std::mt19937 rng(81);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const Size& s : sizes()) {
      if (!fits(g, s.h, s.w)) continue;
      const ConvCase c = plain_case(g, kChannels[turn % std::size(kChannels)], s, Values::integers, rng);
      const Precision p = kPrecisions[turn % std::size(kPrecisions)];
      // A blur's sixty-fourths are not bf16 numbers.
      if (g.blur_pad > 0 && storage_of(p) != ElementType::f32) continue;
      const ConvPlan plan = kPlans[turn++ % std::size(kPlans)];
      const ForcedPlan forced(plan);
      SCOPED_TRACE(concat(describe(c, g.name, name_of(p)), " ", text(plan)));
      EXPECT_TRUE(close(conv2d(c).value, run_conv2d(c, with(p)), {.stored = storage_of(p), .allow_mostly_zero = true}));
    }
}

TEST_P(GpuConv, UpIsExactOnSmallIntegers) {
  std::mt19937 rng(82);
  size_t turn = 0;
  for (const Size& s : sizes())
    for (const Precision p : {Precision::fp32, Precision::tf32}) {
      const ConvCase c = up_case(kChannels[turn % std::size(kChannels)], 0, s, Values::integers, rng);
      const ConvPlan plan = kPlans[turn++ % std::size(kPlans)];
      const ForcedPlan forced(plan);
      SCOPED_TRACE(concat(describe(c, "up", name_of(p)), " ", text(plan)));
      EXPECT_TRUE(close(upconv2d(c).value, run_upconv2d(c, with(p)), {.allow_mostly_zero = true}));
    }
}

// Scales, the feature's half, both residuals, slices: within the tolerance of fp32, element by element.
TEST_P(GpuConv, EverythingAtOnceInFp32) {
  const uint32_t seed = test_seed(83);
  std::mt19937 rng(seed);
  size_t turn = 0;
  for (const Geometry& g : kGeometries)
    for (const auto& [ch, feature] : {std::pair(Channels{33, 15}, int64_t{17}), {{16, 70}, 48}, {{70, 33}, 0}}) {
      // Blurred ones are the encoder's: without a feature half.
      const ConvCase c = full_case(g, ch, g.blur_pad > 0 ? 0 : feature, {2, 0, 7, 10}, Values::uniform, rng);
      const ConvPlan plan = kPlans[turn++ % std::size(kPlans)];
      const ForcedPlan forced(plan);
      SCOPED_TRACE(concat(describe(c, g.name, "fp32"), " ", text(plan), " GPEN_SEED=", seed));
      EXPECT_TRUE(judge(c, conv2d(c), ConvAlgorithm::direct, run_conv2d(c, with(Precision::fp32))));
    }
}

TEST_P(GpuConv, EverythingAtOnceInEveryPrecision) {
  const uint32_t seed = test_seed(84);
  std::mt19937 rng(seed);
  size_t turn = 0;
  const uint64_t conflicts = gpu::emulation::statistics().bank_conflicts;
  for (const Geometry& g : {k1x1, k3x3, k3x3Reflect, k3x3Enlarged, kStride2, kBlurred})
    for (const Precision p : kPrecisions) {
      const ConvCase c = full_case(g, {96, 80}, g.blur_pad > 0 ? 0 : 64, {2, 0, 9, 7}, Values::uniform, rng);
      const ConvPlan plan = kPlans[turn++ % std::size(kPlans)];
      const ForcedPlan forced(plan);
      SCOPED_TRACE(concat(describe(c, g.name, name_of(p)), " ", text(plan), " GPEN_SEED=", seed));
      const double rms = relative_rms(conv2d(c).value, run_conv2d(c, with(p)));
      EXPECT_LE(rms, tolerance_of(p));
    }
  EXPECT_EQ(gpu::emulation::statistics().bank_conflicts, conflicts) << "of ldmatrix";
}

TEST_P(GpuConv, UpInEveryPrecision) {
  const uint32_t seed = test_seed(85);
  std::mt19937 rng(seed);
  size_t turn = 0;
  for (const Precision p : kPrecisions)
    for (const Size s : {Size{2, 0, 5, 9}, {1, 0, 16, 8}}) {
      const ConvCase c = up_case({80, 65}, 48, s, Values::uniform, rng);
      const ConvPlan plan = kPlans[turn++ % std::size(kPlans)];
      const ForcedPlan forced(plan);
      SCOPED_TRACE(concat(describe(c, "up", name_of(p)), " ", text(plan), " GPEN_SEED=", seed));
      const Tensor actual = run_upconv2d(c, with(p));
      if (p == Precision::fp32)
        EXPECT_TRUE(judge(c, upconv2d(c), ConvAlgorithm::direct, actual));
      else
        EXPECT_LE(relative_rms(upconv2d(c).value, actual), tolerance_of(p));
    }
}

TEST_P(GpuConv, AnImageAloneAndInABatchAndASecondRunGiveTheSameBits) {
  std::mt19937 rng(86);
  const ConvCase c = full_case(k3x3, {48, 40}, 32, {3, 0, 9, 11}, Values::uniform, rng);
  for (const Precision p : kPrecisions) {
    const auto whole = run_conv2d(c, with(p)).v;
    EXPECT_EQ(whole, run_conv2d(c, with(p)).v) << name_of(p) << ": second run";
    const auto image = static_cast<std::ptrdiff_t>(whole.size()) / c.x.n;
    for (int64_t n = 0; n < c.x.n; ++n)
      EXPECT_EQ(std::vector<double>(whole.begin() + n * image, whole.begin() + (n + 1) * image),
                run_conv2d(image_of(c, n), with(p)).v)
          << name_of(p) << ": image " << n << " alone";
  }
}

// The residual may be the output itself.
TEST_P(GpuConv, InPlace) {
  std::mt19937 rng(87);
  const ConvCase c = full_case(k3x3, {16, 70}, 0, {2, 0, 9, 11}, Values::uniform, rng);
  ConvRun how = with(Precision::fp32);
  how.slices = false;
  const Tensor apart = run_conv2d(c, how);
  how.in_place = true;
  EXPECT_EQ(apart.v, run_conv2d(c, how).v);
}

// Weights and styles a thousand times as large change nothing but the sums' size, which the demodulation takes back;
// half precision must not notice.
TEST_P(GpuConv, LargeWeightsAndStylesDoNotOverflow) {
  std::mt19937 rng(88);
  ConvCase c = full_case(k3x3, {64, 64}, 64, {1, 0, 8, 8}, Values::uniform, rng);
  c.residual = c.residual2 = Tensor();
  c.gain2 = 1;
  const Tensor right = conv2d(c).value;
  ConvCase large = c;
  large.scale *= 1000;
  large.in_scale = map(large.in_scale, [](double v) { return v * 1000; });
  large.out_scale = map(large.out_scale, [](double v) { return v / 1e6; });
  for (const Precision p : kPrecisions) {
    EXPECT_LE(relative_rms(right, run_conv2d(large, with(p))), tolerance_of(p)) << name_of(p);
    large.out_scale =
        map(c.out_scale, [](double v) { return v * 1e9; });  // beyond half precision: clamped, not infinite
    for (double v : run_conv2d(large, with(p)).v) ASSERT_TRUE(std::isfinite(v)) << name_of(p);
    large.out_scale = map(c.out_scale, [](double v) { return v / 1e6; });
  }
}

TEST(GpuConvPlan, FitsEveryDeviceAndFillsIt) {
  struct {
    int capability, multiprocessors;
    size_t shared_bytes;
  } constexpr kDevices[] = {{75, 40, 64 * 1024}, {80, 108, 163 * 1024}, {86, 28, 99 * 1024}, {90, 132, 227 * 1024}};
  for (const auto& d : kDevices)
    for (int64_t side = 4; side <= 1024; side *= 2)
      for (int64_t channels : {16, 64, 512, 1024}) {
        DeviceInfo info;
        info.capability = d.capability;
        info.multiprocessors = d.multiprocessors;
        info.shared_bytes = d.shared_bytes;
        ConvWork work;
        work.rows[0] = side * side;
        work.out_channels = std::min<int64_t>(channels, 512);
        work.steps = 9 * ceil_div(channels, 64);
        work.coefficient_bytes = static_cast<size_t>(channels * 8);
        const ConvPlan plan = estimate_plan(work, info);
        const ConvTileShape shape = shape_of(plan.tile);
        EXPECT_LE(shape.shared_bytes(work.coefficient_bytes) + 1152, d.shared_bytes)
            << d.capability << " " << text(plan);
        EXPECT_GE(plan.splits, 1);
        EXPECT_LE(plan.splits, work.steps);
        const int64_t blocks = row_tiles(work, shape.rows) * ceil_div(work.out_channels, shape.columns) * plan.splits;
        // Nothing is left idle where there is work for everybody.
        if (channels >= 512 && side >= 16) {
          EXPECT_GE(2 * blocks, d.multiprocessors) << d.capability << ", side " << side << ": " << text(plan);
        }
      }
}

TEST(GpuConvErrors, PrecisionsThatADeviceLacksAreRefusedInWords) {
  const auto turing = open_emulated_device({.capability = 75});
  ThreadPool pool(1);
  const std::vector<float> weight(16 * 16 * 9, 1.f);
  const ConvGeometry g{.in_channels = 16, .out_channels = 16};
  for (const Precision p : {Precision::bf16, Precision::tf32}) {
    const auto weights = Conv2dWeights::pack(g, weight.data(), 1, {}, {pool, turing}, ConvAlgorithm::automatic, 0, p);
    ASSERT_FALSE(weights.ok()) << name_of(p);
    EXPECT_EQ(weights.status().code(), Code::device);
    EXPECT_NE(weights.status().message().find("sm_75"), std::string::npos) << weights.status().message();
  }
  EXPECT_TRUE(
      Conv2dWeights::pack(g, weight.data(), 1, {}, {pool, turing}, ConvAlgorithm::automatic, 0, Precision::fp16).ok());
  ConvGeometry blurred = g;
  blurred.stride = 2;
  blurred.pad = 0;
  blurred.blur_pad = 2;
  EXPECT_EQ(
      Conv2dWeights::pack(blurred, weight.data(), 1, {}, {pool, turing}, ConvAlgorithm::automatic, 8).status().code(),
      Code::usage)
      << "with a feature half";
  EXPECT_EQ(Conv2dWeights::pack(g, weight.data(), 1, {}, {pool, turing}, ConvAlgorithm::winograd4x4).status().code(),
            Code::usage);
  EXPECT_EQ(
      Conv2dWeights::pack(g, weight.data(), 1, {}, pool, ConvAlgorithm::automatic, 0, Precision::fp16).status().code(),
      Code::usage)
      << "the processor has no fp16";
}

}  // namespace
}  // namespace gpen::test
