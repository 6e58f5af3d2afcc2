// The analytic GPENs, run through a double-precision GPEN written from the reference's formulas.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/golden.h"
#include "support/reference.h"
#include "support/shared_data.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen {
namespace {

using test::Tensor;

// docs/reference.md 2 as a function of the weights.
class ReferenceGpen {
 public:
  explicit ReferenceGpen(const WeightStore& store, const GpenArch& arch) : store_(store), arch_(arch) {}

  Tensor forward(const Tensor& input) const {
    std::vector<Tensor> features{
        test::conv_layer(input, weight("ecd0.0.0.weight"), bias("ecd0.0.1.bias"), false, Tensor())};
    for (int k = 1; k < arch_.encoder_levels(); ++k) {
      const std::string p = concat("ecd", k, ".0.");
      features.push_back(
          test::conv_layer(features.back(), weight(p + "1.weight"), bias(p + "2.bias"), true, kernel(p + "0.kernel")));
    }
    const Tensor style = mapped(features.back());
    Tensor x = test::golden_tensor(store_, "generator.input.input");
    x = styled("generator.conv1", x, style, features.back(), false);
    Tensor rgb = to_rgb("generator.to_rgb1", x, style, Tensor());
    for (int i = 1; i < arch_.levels(); ++i) {
      const Tensor& feature = features[static_cast<size_t>(arch_.levels() - 1 - i)];
      x = styled(concat("generator.convs.", 2 * i - 2), x, style, feature, true);
      x = styled(concat("generator.convs.", 2 * i - 1), x, style, feature, false);
      rgb = to_rgb(concat("generator.to_rgbs.", i - 1), x, style, rgb);
    }
    return rgb;
  }

 private:
  Tensor weight(const std::string& name) const { return test::golden_tensor(store_, name); }
  std::vector<double> bias(const std::string& name) const { return test::golden_vector(store_, name); }
  Tensor kernel(const std::string& name) const { return test::golden_kernel(store_, name); }

  Tensor mapped(const Tensor& feature) const {
    const Tensor flat(feature.n, feature.c * feature.h * feature.w, 1, 1, feature.v);
    Tensor z = test::equal_linear(flat, weight("final_linear.0.weight"), bias("final_linear.0.bias"), 1, true);
    z = test::pixel_norm(z);
    for (int i = 1; i <= arch_.mlp_layers; ++i) {
      const std::string p = concat("generator.style.", i);
      z = test::equal_linear(z, weight(p + ".weight"), bias(p + ".bias"), 0.01, true);
    }
    return z;
  }
  Tensor modulation(const std::string& p, const Tensor& style) const {
    return test::equal_linear(style, weight(p + ".conv.modulation.weight"), bias(p + ".conv.modulation.bias"), 1,
                              false);
  }
  Tensor styled(const std::string& p, const Tensor& x, const Tensor& style, const Tensor& feature, bool up) const {
    return test::styled_conv(x, modulation(p, style), weight(p + ".conv.weight"), up,
                             up ? kernel(p + ".conv.blur.kernel") : Tensor(), feature, bias(p + ".noise.weight")[0],
                             bias(p + ".activate.bias"));
  }
  Tensor to_rgb(const std::string& p, const Tensor& x, const Tensor& style, const Tensor& skip) const {
    return test::to_rgb(x, modulation(p, style), weight(p + ".conv.weight"), bias(p + ".bias"), skip,
                        skip.empty() ? Tensor() : kernel(p + ".upsample.kernel"));
  }

  const WeightStore& store_;
  const GpenArch& arch_;
};

Tensor run(const Architecture& arch, SynthKind kind, const Tensor& input) {
  const Result<WeightStore> store = synthesize(arch, kind);
  EXPECT_TRUE(store.ok()) << store.status().message();
  if (!store.ok()) return Tensor();
  // The network is what anyone would read from the file.
  const Result<Architecture> found = detect_architecture(*store);
  EXPECT_TRUE(found.ok()) << found.status().message();
  if (!found.ok()) return Tensor();
  return ReferenceGpen(*store, std::get<GpenArch>(*found)).forward(input);
}

Tensor picture(int64_t size, double range, uint32_t seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<double> uniform(-range, range);
  Tensor x(1, 3, size, size);
  for (double& v : x.v) v = uniform(rng);
  return x;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = a.v.size() == b.v.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.v.size(), b.v.size()); ++i) {
    const double d = std::abs(a.v[i] - b.v[i]);
    largest = d <= largest ? largest : d;  // a NaN counts as the largest
  }
  return largest;
}

Architecture arch_of(const std::string& name) { return *parse_architecture(name); }

class Analytic : public testing::TestWithParam<const char*> {
 protected:
  Architecture arch_ = arch_of(GetParam());
  int64_t size_ = std::get<GpenArch>(arch_).in_size;
};

TEST_P(Analytic, IdentityAndNegativeForAnyRange) {
  for (const double range : {2.0, 50.0}) {
    const Tensor x = picture(size_, range, 1);
    Tensor minus = x;
    for (double& v : minus.v) v = -v;
    // The weights are rounded to fp32, nothing else is.
    EXPECT_LT(largest_difference(run(arch_, SynthKind::identity, x), x), 4e-7 * range);
    EXPECT_LT(largest_difference(run(arch_, SynthKind::negative, x), minus), 4e-7 * range);
  }
}

TEST_P(Analytic, SharpenIsThePictureAndItsOwnDetail) {
  const Tensor x = picture(size_, 2, 2);
  const auto halved = [](const Tensor& t) { return test::upfirdn2d(t, test::fir4(1), 1, 2, 1, 1); };
  const auto doubled = [](const Tensor& t) { return test::upfirdn2d(t, test::fir4(4), 2, 1, 2, 1); };
  const Tensor once = doubled(halved(x)), twice = doubled(doubled(halved(halved(x))));
  Tensor expected = x;
  for (size_t i = 0; i < x.v.size(); ++i) expected.v[i] = 1.8 * x.v[i] - 0.5 * once.v[i] - 0.3 * twice.v[i];
  EXPECT_LT(largest_difference(run(arch_, SynthKind::sharpen, x), expected), 3e-6);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Analytic,
                         testing::Values("gpen:size=16,narrow=0.0625,style=8,mlp=0",
                                         "gpen:size=32,narrow=0.03125,style=96,mlp=5",
                                         "gpen:size=64,cm=1,narrow=0.04,style=16,mlp=1"));

TEST(AnalyticNetworks, SharpenKeepsFlatColour) {
  const Architecture arch = analytic_architecture(arch_of("gpen:size=64"));
  Tensor x(1, 3, 64, 64);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t i = 0; i < 64 * 64; ++i) x.v[static_cast<size_t>(c * 4096 + i)] = 0.5 - 0.7 * static_cast<double>(c);
  }
  const Tensor y = run(arch, SynthKind::sharpen, x);
  // The picture is surrounded by mid-gray: only near the border is it not flat.
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t row = 12; row < 52; ++row) {
      for (int64_t column = 12; column < 52; ++column) {
        ASSERT_NEAR(y.at(0, c, row, column), 0.5 - 0.7 * static_cast<double>(c), 1e-6) << row << " " << column;
      }
    }
  }
}

TEST(AnalyticNetworks, TheSmallArchitectureWritesSmallFilesOfEverySize) {
  const test::TemporaryFolder folder;
  for (int size : {256, 512, 1024, 2048}) {
    const Architecture small = analytic_architecture(arch_of(concat("gpen-bfr-", size)));
    EXPECT_EQ(std::get<GpenArch>(small).out_size, size);
    const Result<WeightStore> store = synthesize(small, SynthKind::sharpen);
    ASSERT_TRUE(store.ok()) << store.status().message();
    EXPECT_EQ(store->metadata.at("gpen.kind"), "sharpen");
    ASSERT_TRUE(save_safetensors(folder / "w", *store).ok());
    EXPECT_LT(std::filesystem::file_size(folder / "w"), 600000u) << size;
  }
  EXPECT_EQ(describe(analytic_architecture(arch_of("parsenet"))), describe(arch_of("parsenet")));
}

TEST(AnalyticNetworks, OtherNetworksAreRefusedInWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"parsenet", "exist for GPEN only, not for parsenet"},
      {"gpen:size=64,in=16,narrow=0.0625", "one size for input and output, not 16 and 64"},
      {"gpen:size=8,narrow=0.0625", "at least 16 pixels"},
      {"gpen:size=32,narrow=0.01", "need 6 channels at 32 pixels, this GPEN has 5"}};
  for (const auto& [arch, words] : cases) {
    const Status status = synthesize(arch_of(arch), SynthKind::sharpen).status();
    EXPECT_EQ(status.code(), Code::usage);
    EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
  }
  EXPECT_TRUE(synthesize(arch_of("gpen:size=8,narrow=0.0625"), SynthKind::identity).ok());
}

TEST(AnalyticNetworks, TheJudgeAgreesWithThePublishedNetwork) {
  GPEN_NEEDS_SHARED("golden/gpen_64_style48.safetensors");
  const WeightStore golden = test::golden_store("golden/gpen_64_style48.safetensors");
  const Architecture arch = arch_of("gpen:size=64,cm=2,narrow=0.125,style=48,mlp=3");
  const WeightStore store = *synthesize(arch, SynthKind::formula);
  const Tensor y = ReferenceGpen(store, std::get<GpenArch>(arch)).forward(test::golden_tensor(golden, "input"));
  const Tensor expected = test::golden_tensor(golden, "output");
  double scale = 0;
  for (double v : expected.v) scale = std::max(scale, std::abs(v));
  EXPECT_LT(largest_difference(y, expected), 1e-6 * scale);
}

}  // namespace
}  // namespace gpen
