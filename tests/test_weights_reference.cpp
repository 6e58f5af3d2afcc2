// The double-precision references against the published operators' answers: whoever judges kernels is judged first.
#include <cmath>
#include <nlohmann/json.hpp>

#include "support/compare.h"
#include "support/golden.h"
#include "support/shared_data.h"

namespace gpen::test {
namespace {

constexpr double kGolden = 1e-6;  // stored answers are rounded to float32

class ReferenceOps : public ::testing::Test {
 protected:
  void SetUp() override {
    GPEN_NEEDS_SHARED("golden/ops.safetensors");
    store_ = golden_store("golden/ops.safetensors");
  }
  // Runs judge(name, attributes) for every case of a kind and expects `count` of them.
  template <class Fn>
  void for_cases(const std::string& kind, int count, Fn judge) {
    int seen = 0;
    for (const auto& [name, attributes] : store_.metadata) {
      if (name.rfind(kind + "_", 0) != 0) continue;
      SCOPED_TRACE(name);
      const Tensor expected = golden_tensor(store_, name + "/output");
      EXPECT_TRUE(close(expected, judge(name, nlohmann::json::parse(attributes)), {.relative = kGolden}));
      ++seen;
    }
    EXPECT_EQ(seen, count) << kind;
  }
  Tensor tensor(const std::string& name) const { return golden_tensor(store_, name); }
  std::vector<double> vector(const std::string& name) const { return golden_vector(store_, name); }
  Tensor kernel_or_empty(const std::string& name) const {
    return store_.find(name) == nullptr ? Tensor() : golden_kernel(store_, name);
  }
  Tensor modulation(const std::string& prefix, const Tensor& style) const {
    return equal_linear(style, tensor(prefix + "modulation.weight"), vector(prefix + "modulation.bias"), 1, false);
  }
  WeightStore store_;
};

TEST_F(ReferenceOps, Upfirdn2d) {
  for_cases("upfirdn2d", 8, [&](const std::string& name, const nlohmann::json& a) {
    return upfirdn2d(tensor(name + "/input"), kernel_or_empty(name + "/kernel"), a["up"], a["down"], a["pad"][0],
                     a["pad"][1]);
  });
}

TEST_F(ReferenceOps, FusedLeakyRelu) {
  for_cases("fused_leaky_relu", 2, [&](const std::string& name, const nlohmann::json&) {
    return fused_leaky_relu(tensor(name + "/input"), vector(name + "/bias"));
  });
}

TEST_F(ReferenceOps, EqualLinear) {
  for_cases("equal_linear", 3, [&](const std::string& name, const nlohmann::json& a) {
    return equal_linear(tensor(name + "/input"), tensor(name + "/weight"), vector(name + "/bias"), a["lr_mul"],
                        a["activation"] == "fused_lrelu");
  });
}

TEST_F(ReferenceOps, ConvLayer) {
  for_cases("conv_layer", 5, [&](const std::string& name, const nlohmann::json& a) {
    const bool down = a["downsample"];
    const std::string weight = down ? "/1.weight" : "/0.weight", bias = down ? "/2.bias" : "/1.bias";
    return conv_layer(tensor(name + "/input"), tensor(name + weight),
                      a["activate"] ? vector(name + bias) : std::vector<double>(), down,
                      kernel_or_empty(name + "/0.kernel"));
  });
}

TEST_F(ReferenceOps, ModulatedConv2d) {
  for_cases("modulated_conv2d", 6, [&](const std::string& name, const nlohmann::json& a) {
    const Resample resample = a["upsample"] ? Resample::up : a["downsample"] ? Resample::down : Resample::none;
    return modulated_conv2d(tensor(name + "/input"), modulation(name + "/", tensor(name + "/style")),
                            tensor(name + "/weight"), a["demodulate"], resample,
                            kernel_or_empty(name + "/blur.kernel"));
  });
}

TEST_F(ReferenceOps, StyledConv) {
  for_cases("styled_conv", 2, [&](const std::string& name, const nlohmann::json& a) {
    return styled_conv(tensor(name + "/input"), modulation(name + "/conv.", tensor(name + "/style")),
                       tensor(name + "/conv.weight"), a["upsample"], kernel_or_empty(name + "/conv.blur.kernel"),
                       tensor(name + "/noise"), vector(name + "/noise.weight")[0], vector(name + "/activate.bias"));
  });
}

TEST_F(ReferenceOps, ToRgb) {
  for_cases("to_rgb", 1, [&](const std::string& name, const nlohmann::json&) {
    return to_rgb(tensor(name + "/input"), modulation(name + "/conv.", tensor(name + "/style")),
                  tensor(name + "/conv.weight"), vector(name + "/bias"), tensor(name + "/skip"),
                  kernel_or_empty(name + "/upsample.kernel"));
  });
}

// conv2d's reference against the golden conv_layer: the same blurred stride-2 convolution said the other way.
TEST_F(ReferenceOps, Conv2dContractEqualsConvLayer) {
  for_cases("conv_layer", 5, [&](const std::string& name, const nlohmann::json& a) {
    const bool down = a["downsample"], activate = a["activate"];
    ConvCase c;
    c.weight = tensor(name + (down ? "/1.weight" : "/0.weight"));
    c.x = tensor(name + "/input");
    const int k = static_cast<int>(c.weight.h);
    c.g = {.in_channels = c.weight.c, .out_channels = c.weight.n, .kernel_h = k, .kernel_w = k};
    c.g.pad = down ? 0 : k / 2;
    c.g.stride = down ? 2 : 1;
    c.g.blur_pad = down ? (k == 3 ? 2 : 1) : 0;
    c.scale = 1 / std::sqrt(static_cast<double>(c.weight.c * k * k));
    if (activate) {
      c.bias = vector(name + (down ? "/2.bias" : "/1.bias"));
      c.slope = 0.2;
      c.gain = std::sqrt(2.0);
    }
    Judged j = conv2d(c);
    EXPECT_EQ(j.value.h, c.g.out_size(c.x.h, k));
    EXPECT_EQ(j.value.w, c.g.out_size(c.x.w, k));
    return j.value;
  });
}

// ... and against styled_conv's second half: feature, noise weight and bias as a prologue, styles as scales.
TEST_F(ReferenceOps, Conv2dContractEqualsStyledThenModulated) {
  std::mt19937 rng(7);
  const Tensor main = random_uniform(2, 16, 5, 4, -1, 1, rng), feature = random_uniform(2, 6, 5, 4, -1, 1, rng);
  const Tensor s = random_uniform(2, 22, 1, 1, 0.5, 2, rng), weight = random_uniform(7, 22, 3, 3, -1, 1, rng);
  const std::vector<double> feature_bias = random_uniform(1, 6, 1, 1, -1, 1, rng).v;
  Tensor noise = feature;
  for (double& v : noise.v) v *= 0.3;
  const Tensor expected = modulated_conv2d(concat_channels(main, fused_leaky_relu(noise, feature_bias)), s, weight,
                                           true, Resample::none, {});
  ConvCase c;
  c.g = {.in_channels = 22, .out_channels = 7};
  c.weight = weight;
  c.scale = 1 / std::sqrt(22.0 * 9);
  c.x = main;
  c.in_scale = s;
  c.feature = feature;
  c.feature_gain = 0.3;
  c.feature_bias = feature_bias;
  c.out_scale = Tensor(2, 7, 1, 1);
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t o = 0; o < 7; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < 22; ++i)
        for (int64_t k = 0; k < 9; ++k) sum += std::pow(weight.at(o, i, k / 3, k % 3) * c.scale * s.at(n, i, 0, 0), 2);
      c.out_scale.at(n, o, 0, 0) = 1 / std::sqrt(sum + 1e-8);
    }
  EXPECT_TRUE(close(expected, conv2d(c).value, {.relative = 1e-12}));
}

TEST(Reference, PixelNormHasUnitMeanSquare) {
  std::mt19937 rng(3);
  const Tensor y = pixel_norm(random_uniform(3, 20, 1, 1, -2, 2, rng));
  for (int64_t n = 0; n < 3; ++n) {
    double sum = 0;
    for (int64_t c = 0; c < 20; ++c) sum += y.at(n, c, 0, 0) * y.at(n, c, 0, 0);
    EXPECT_NEAR(sum / 20, 1, 1e-7);
  }
}

TEST(Reference, PoolPadUpsampleUnshuffleByHand) {
  const Tensor x(1, 1, 2, 3, std::vector<double>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(max_pool(x, 3, 2, 1).v, (std::vector<double>{5, 6}));
  EXPECT_EQ(upsample_nearest(x, 3, 5).v, (std::vector<double>{1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6}));
  const Tensor four(1, 1, 2, 2, std::vector<double>{1, 2, 3, 4});
  EXPECT_EQ(pixel_unshuffle(four, 2).v, four.v);
  EXPECT_EQ(pixel_unshuffle(four, 2).c, 4);
  const Tensor ones(1, 1, 3, 3, 1.0);
  EXPECT_EQ(convolution(x, ones, 1, 1).v, (std::vector<double>{12, 21, 16, 12, 21, 16}));
  // Mirrored: rows 4 5 6 | 1 2 3 | 4 5 6 | 1 2 3, columns 2 | 1 2 3 | 2.
  EXPECT_EQ(convolution(x, ones, 1, 1, PadMode::reflect).v, (std::vector<double>{33, 36, 39, 24, 27, 30}));
}

}  // namespace
}  // namespace gpen::test
