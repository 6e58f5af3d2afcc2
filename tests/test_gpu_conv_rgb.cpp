// A convolution with to_rgb of its result, on a device: in one kernel and in two, which must agree to the bit.
#include <cmath>
#include <cstring>

#include "support/dense_cases.h"
#include "support/gpu_conv.h"

namespace gpen::test {
namespace {

ConvPlan with_rgb(ConvTile tile, int splits, bool in_epilogue) {
  ConvPlan plan{tile, splits};
  plan.rgb_in_epilogue = in_epilogue;
  return plan;
}

struct Both {
  Tensor y, rgb;
};

// rgb.x is not used: it is what the convolution gives.
Both run(const ConvCase& c, const RgbCase& rgb, Precision precision, const std::shared_ptr<Device>& device,
         bool only_rgb = false) {
  ThreadPool pool(2);
  const ConvRun how{.precision = precision, .device = device};
  const Target on{device, how.type()};
  const auto weights =
      Conv2dWeights::pack(c.g, to_floats(c.weight.v).data(), c.scale, to_floats(c.bias), {pool, device},
                          ConvAlgorithm::automatic, c.feature.empty() ? 0 : c.x.c, precision);
  EXPECT_TRUE(weights.ok()) << weights.status().message();
  const int64_t out = c.g.out_channels, h = c.g.out_size(c.x.h, c.g.kernel_h), w = c.g.out_size(c.x.w, c.g.kernel_w);
  const std::vector<float> bias = to_floats(rgb.bias);
  const auto rgb_weights =
      ToRgbWeights::pack(out, rgb.feature.c, to_floats(rgb.weight.v).data(), bias.data(), {pool, device});
  EXPECT_TRUE(rgb_weights.ok()) << rgb_weights.status().message();
  if (!weights.ok() || !rgb_weights.ok()) return {};

  const InputBuffers input(c, how, pool);
  ConvEpilogue ep;
  const ParameterVector out_scale = on.floats(pool, padded_rows(c.out_scale, {out}));
  ep.out_scale = out_scale.data();
  ep.slope = static_cast<float>(c.slope);
  ep.gain = static_cast<float>(c.gain);
  const Tensor none(1, 1, 1, 1);
  const GuardedTensor y(c.x.n, out, h, w, how.layout(), slice_total(out, true), 32, device, how.type());
  const GuardedTensor feature =
      rgb.feature.empty() ? on.activation(none) : on.activation(rgb.feature, slice_total(rgb.feature.c, true), 16);
  const GuardedTensor skip = on.planar(rgb.skip.empty() ? none : rgb.skip), planes = on.planar(c.x.n, 3, h, w);
  const ParameterVector style = on.floats(pool, padded_rows(rgb.style, {out, rgb.feature.c}));
  RgbOutput output;
  output.weights = &*rgb_weights;
  output.in.in_scale = style.data();
  output.only_rgb = only_rgb;
  ParameterVector feature_bias;
  if (!rgb.feature.empty()) {
    output.in.feature = feature.view();
    output.in.feature_gain = static_cast<float>(rgb.feature_gain);
    feature_bias = on.floats(pool, padded_rows(Tensor(1, rgb.feature.c, 1, 1, rgb.feature_bias), {rgb.feature.c}));
    output.in.feature_bias = feature_bias.data();
  }
  if (!rgb.skip.empty()) output.skip = skip.view();
  output.rgb = planes.view();
  ep.rgb = &output;
  const Status status = run_planned(pool, device, how.type(), [&](Exec& exec) {
    conv2d(exec, *weights, input.in, ep, y.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(planes.intact());
  if (!only_rgb) {
    EXPECT_TRUE(y.intact());
  }
  return {y.values(), planes.values()};
}

ConvCase styled_case(Channels ch, int64_t feature, Size s, std::mt19937& rng) {
  ConvCase c = full_case(k3x3, ch, feature, s, Values::uniform, rng);
  c.residual = c.residual2 = Tensor();
  c.gain2 = 1;
  return c;
}

struct Shape {
  Channels channels;
  int64_t in_feature, rgb_feature;
  Size size;
  bool skip;
};
// Tiles of one pixel and of many, ends of rows inside of tiles, odd sizes; to_rgb with and without its feature's half,
// which may be narrower than y, and with and without a picture below.
constexpr Shape kShapes[] = {
    {{64, 64}, 64, 64, {2, 0, 6, 22}, true}, {{33, 17}, 0, 15, {3, 0, 9, 15}, false},
    {{16, 15}, 16, 0, {1, 0, 2, 2}, true},   {{48, 128}, 0, 128, {2, 0, 12, 14}, true},
    {{17, 96}, 48, 40, {1, 0, 1, 7}, false}, {{80, 50}, 30, 50, {2, 0, 16, 16}, true},
};

class GpuConvRgb : public OnEachDevice {};
INSTANTIATE_TEST_SUITE_P(Device, GpuConvRgb, ::testing::ValuesIn(tested_devices()), device_name);

TEST_P(GpuConvRgb, OneKernelGivesTheBitsOfTwo) {
  const uint32_t seed = test_seed(91);
  std::mt19937 rng(seed);
  int fused = 0;
  for (const Shape& s : kShapes) {
    const ConvCase c = styled_case(s.channels, s.in_feature, s.size, rng);
    const RgbCase rgb = rgb_case({s.size.n, s.channels.out, s.size.h, s.size.w}, s.rgb_feature, s.skip, rng);
    for (const Precision p : kPrecisions)
      for (const ConvTile tile : {ConvTile::m64n64, ConvTile::m128n64, ConvTile::m128n128}) {
        if (s.channels.out > shape_of(tile).columns) continue;
        SCOPED_TRACE(concat(describe(c, "3x3", name_of(p)), " ", shape_of(tile).name, " GPEN_SEED=", seed));
        Both apart, together, alone;
        uint64_t blocks[3];
        const auto count = [&](int i, bool in_epilogue, bool only, Both* result) {
          const ForcedPlan forced(with_rgb(tile, 1, in_epilogue));
          const uint64_t before = gpu::emulation::statistics().blocks;
          *result = run(c, rgb, p, device(), only);
          blocks[i] = gpu::emulation::statistics().blocks - before;
        };
        count(0, false, false, &apart);
        count(1, true, false, &together);
        count(2, true, true, &alone);
        EXPECT_EQ(apart.y.v, together.y.v);
        EXPECT_EQ(apart.rgb.v, together.rgb.v);
        EXPECT_EQ(apart.rgb.v, alone.rgb.v);
        for (const double v : apart.rgb.v) ASSERT_TRUE(std::isfinite(v));
        for (const double v : alone.y.v) ASSERT_TRUE(std::isnan(v)) << "was to be left out";
        if (GetParam() != "emulated") continue;
        EXPECT_LT(blocks[1], blocks[0]) << "to_rgb had a kernel of its own";
        ++fused;
      }
  }
  EXPECT_TRUE(fused > 0 || GetParam() != "emulated");
}

TEST_P(GpuConvRgb, EqualsTheReference) {
  const uint32_t seed = test_seed(92);
  SCOPED_TRACE(concat("GPEN_SEED=", seed));
  std::mt19937 rng(seed);
  for (const Shape& s : kShapes) {
    const ConvCase c = styled_case(s.channels, s.in_feature, s.size, rng);
    RgbCase rgb = rgb_case({s.size.n, s.channels.out, s.size.h, s.size.w}, s.rgb_feature, s.skip, rng);
    rgb.x = conv2d(c).value;
    const Tensor right = expected_to_rgb(rgb);
    const auto expect_right = [&](const std::shared_ptr<Device>& on, bool in_epilogue) {
      const ForcedPlan forced(with_rgb(ConvTile::m128n128, 1, in_epilogue));
      const Both both = run(c, rgb, Precision::fp32, on);
      double error = 0, whole = 0;
      for (size_t i = 0; i < right.v.size(); ++i) {
        error += (both.rgb.v[i] - right.v[i]) * (both.rgb.v[i] - right.v[i]);
        whole += right.v[i] * right.v[i];
      }
      EXPECT_LE(std::sqrt(error / whole), 2e-6) << describe(c, "3x3", "fp32") << " in the epilogue: " << in_epilogue;
    };
    expect_right(device(), false);
    expect_right(device(), true);
    expect_right(nullptr, false);  // the processor
  }
}

TEST_P(GpuConvRgb, SchedulesAndBatchesDoNotChangeABit) {
  std::mt19937 rng(93);
  const ConvCase c = styled_case({33, 48}, 17, {3, 0, 10, 14}, rng);
  const RgbCase rgb = rgb_case({3, 48, 10, 14}, 48, true, rng);
  const ForcedPlan forced(with_rgb(ConvTile::m64n64, 1, true));
  for (const Precision p : kPrecisions) {
    const Both whole = run(c, rgb, p, device());
    for_each_schedule(*device(), [&](const char* schedule) {
      EXPECT_EQ(whole.rgb.v, run(c, rgb, p, device()).rgb.v) << name_of(p) << ", " << schedule;
    });
    const auto image = static_cast<std::ptrdiff_t>(whole.rgb.v.size()) / c.x.n;
    for (int64_t n = 0; n < c.x.n; ++n)
      EXPECT_EQ(std::vector<double>(whole.rgb.v.begin() + n * image, whole.rgb.v.begin() + (n + 1) * image),
                run(image_of(c, n), image_of(rgb, n), p, device()).rgb.v)
          << name_of(p) << ": image " << n << " alone";
  }
}

// Plans that cannot hold to_rgb fall back to a kernel of its own; the results are right all the same.
TEST_P(GpuConvRgb, PlansThatCannotHoldItLeaveItToItsKernel) {
  std::mt19937 rng(94);
  const ConvCase c = styled_case({32, 70}, 0, {1, 0, 8, 8}, rng);
  RgbCase rgb = rgb_case({1, 70, 8, 8}, 70, true, rng);
  rgb.x = conv2d(c).value;
  const Tensor right = expected_to_rgb(rgb);
  for (const ConvPlan plan : {with_rgb(ConvTile::m64n64, 1, true), with_rgb(ConvTile::m128n128, 3, true)}) {
    const ForcedPlan forced(plan);
    const Both both = run(c, rgb, Precision::fp32, device());
    for (size_t i = 0; i < right.v.size(); ++i) ASSERT_NEAR(both.rgb.v[i], right.v[i], 2e-4);
  }
}

TEST(GpuConvRgbPlan, TheEpilogueIsTakenWhereATileHoldsAllChannels) {
  DeviceInfo h200, rtx3060;
  h200.capability = 90, h200.multiprocessors = 132, h200.shared_bytes = 227 * 1024;
  rtx3060.capability = 86, rtx3060.multiprocessors = 28, rtx3060.shared_bytes = 99 * 1024;
  for (const DeviceInfo& device : {h200, rtx3060})
    for (const auto& [side, channels, expected] : {std::tuple{512, 64, true},
                                                   {256, 128, device.capability == 90},
                                                   {128, 256, false},
                                                   {16, 512, false},
                                                   {1024, 32, true}}) {
      // A tile of 128 columns and its coefficients are more shared memory than an sm_86 has.
      ConvWork work;
      work.rows[0] = int64_t{side} * side;
      work.out_channels = channels;
      work.steps = 9 * ceil_div(2 * channels, 64);
      work.coefficient_bytes = static_cast<size_t>(channels * 12);
      EXPECT_FALSE(estimate_plan(work, device).rgb_in_epilogue);
      work.rgb = true;
      const ConvPlan plan = estimate_plan(work, device);
      EXPECT_EQ(plan.rgb_in_epilogue, expected) << device.capability << ", " << channels << "@" << side;
      EXPECT_TRUE(!plan.rgb_in_epilogue || takes_rgb(work, plan));
    }
}

}  // namespace
}  // namespace gpen::test
