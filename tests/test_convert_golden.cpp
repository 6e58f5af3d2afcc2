// Real checkpoints of every kind: written by PyTorch, and the detector's released weights.
#include <cmath>

#include "convert/checkpoint.h"
#include "support/shared_data.h"
#include "weights/architecture.h"
#include "weights/synth.h"

namespace gpen {
namespace {

WeightStore read(const std::string& file) {
  Result<WeightStore> store = read_checkpoint(test::shared_file("golden/" + file));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? *store : WeightStore();
}

struct Variant {
  const char* file;
  double relative;   // largest rounding of the storage type
  double subnormal;  // its spacing at zero
};

class SameNetwork : public testing::TestWithParam<Variant> {};

TEST_P(SameNetwork, EqualsThePlainFileWithinItsType) {
  const Variant variant = GetParam();
  GPEN_NEEDS_SHARED(std::string("golden/") + variant.file);
  const WeightStore plain = read("gpen_64_style48.pth"), other = read(variant.file);
  ASSERT_EQ(plain.tensors.size(), 96u);
  ASSERT_EQ(other.tensors.size(), plain.tensors.size());
  for (const auto& [name, tensor] : plain.tensors) {
    Result<std::vector<float>> a = plain.floats(name), b = other.floats(name, tensor.shape);
    ASSERT_TRUE(a.ok() && b.ok()) << name << " " << b.status().message();
    for (size_t i = 0; i < a->size(); ++i) {
      const double tolerance = variant.relative * std::abs((*a)[i]) + variant.subnormal;
      ASSERT_LE(std::abs((*a)[i] - (*b)[i]), tolerance) << name << "[" << i << "]";
    }
  }
  const Result<Architecture> arch = detect_architecture(other);
  ASSERT_TRUE(arch.ok()) << arch.status().message();
  EXPECT_EQ(describe(*arch), "GPEN 64, channel multiplier 2, narrow 0.125, style 48, 3 mapping layers");
}

INSTANTIATE_TEST_SUITE_P(All, SameNetwork,
                         testing::Values(Variant{"gpen_64_style48_legacy.pth", 0, 0},
                                         Variant{"gpen_64_style48_strided.pth", 0, 0},
                                         Variant{"gpen_64_style48_shared.pth", 0, 0},
                                         Variant{"gpen_64_style48_g_ema_half.pth", 0x1p-11, 0x1p-25},
                                         Variant{"gpen_64_style48_params_ema_bf16.pth", 0x1p-8, 0}));

TEST(GoldenCheckpoints, HoldTheFormulaWeights) {
  GPEN_NEEDS_SHARED("golden/gpen_64_style48.pth");
  const WeightStore stored = read("gpen_64_style48.pth");
  const Result<Architecture> arch = detect_architecture(stored);
  ASSERT_TRUE(arch.ok()) << arch.status().message();
  const WeightStore formula = *synthesize(*arch, SynthKind::formula);
  for (const auto& [name, tensor] : formula.tensors) EXPECT_EQ(*stored.floats(name), *formula.floats(name)) << name;
}

class Recognised : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Recognised, WithAllItsTensorsInOrder) {
  const auto [file, description] = GetParam();
  GPEN_NEEDS_SHARED(file);
  Result<WeightStore> store = open_weights(test::shared_file(file));
  ASSERT_TRUE(store.ok()) << store.status().message();
  const Result<Architecture> arch = detect_architecture(*store);
  ASSERT_TRUE(arch.ok()) << arch.status().message();
  EXPECT_EQ(describe(*arch), description);
  EXPECT_EQ(tensor_list(*arch).size(), store->tensors.size());
  for (const auto& [name, shape] : tensor_list(*arch)) {
    ASSERT_NE(store->find(name), nullptr) << name;
    EXPECT_EQ(store->find(name)->shape, shape) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Recognised,
    testing::Values(std::pair("golden/gpen_32_tiny.pth",
                              "GPEN 32, channel multiplier 2, narrow 0.0625, style 512, 8 mapping layers"),
                    std::pair("golden/gpen_sr_16_64.pth",
                              "GPEN 16 to 64, channel multiplier 1, narrow 0.0625, style 64, 2 mapping layers"),
                    std::pair("golden/gpen_identity_256.pth",
                              "GPEN 256, channel multiplier 1, narrow 0.125, style 16, 1 mapping layers"),
                    std::pair("golden/gpen_negative_512.pth",
                              "GPEN 512, channel multiplier 1, narrow 0.125, style 16, 1 mapping layers"),
                    std::pair("golden/parsenet_64_tiny.pth", "ParseNet 128, 19 classes, channels 16 32 32, 10 blocks"),
                    std::pair("golden/rrdbnet_x1_tiny.pth", "RRDBNet x1, 16 features, 2 blocks, growth 8"),
                    std::pair("golden/rrdbnet_x2_tiny.pth", "RRDBNet x2, 16 features, 2 blocks, growth 8"),
                    std::pair("golden/rrdbnet_x4_tiny.pth", "RRDBNet x4, 16 features, 2 blocks, growth 8"),
                    std::pair("weights/retinaface_mobilenet0.25_legacy.pth", "RetinaFace, MobileNet0.25, FPN width 64"),
                    std::pair("weights/retinaface_mobilenet0.25_zip.pth", "RetinaFace, MobileNet0.25, FPN width 64")));

}  // namespace
}  // namespace gpen
