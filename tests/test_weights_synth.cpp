// Formula weights and their rule. (The analytic networks: test_weights_analytic.cpp.)
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/shared_data.h"
#include "weights/synth.h"

namespace gpen {
namespace {

Architecture arch_of(const std::string& name) {
  Result<Architecture> arch = parse_architecture(name);
  EXPECT_TRUE(arch.ok()) << arch.status().message();
  return arch.ok() ? *arch : Architecture();
}

std::vector<float> values(const WeightStore& store, const std::string& name) {
  Result<std::vector<float>> v = store.floats(name);
  EXPECT_TRUE(v.ok()) << v.status().message();
  return v.ok() ? *v : std::vector<float>();
}

// The rule again, step by step.
double unit(const std::string& name, uint64_t index) {
  uint64_t h = 0xcbf29ce484222325u;
  for (unsigned char c : name) {
    h ^= c;
    h *= 0x100000001b3u;
  }
  uint64_t z = h + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z = z ^ (z >> 31);
  return 2.0 * (static_cast<double>(z >> 40) / 16777216.0) - 1.0;
}

TEST(Formula, HashIsFnv1a) {
  EXPECT_EQ(formula_hash(""), 0xcbf29ce484222325u);
  EXPECT_EQ(formula_hash("a"), 0xaf63dc4c8601ec8cu);  // published test vectors of FNV-1a 64
  EXPECT_EQ(formula_hash("foobar"), 0x85944171f73967e8u);
}

TEST(Formula, KnownValuesOfTheReference) {
  // From golden/formula_check.json, so that a checkout without the shared data checks them too.
  const WeightStore gpen = *synthesize(arch_of("gpen:size=16,narrow=1,cm=2"), SynthKind::formula);
  EXPECT_EQ(values(gpen, "generator.conv1.noise.weight"), std::vector<float>{0.9397239089012146f});
  const std::vector<float> style = values(gpen, "generator.style.1.weight");
  EXPECT_EQ(style[0], -132.04360961914062f);
  EXPECT_EQ(style[3], 146.46688842773438f);
  EXPECT_EQ(style.back(), 55.21670150756836f);
  const std::vector<float> modulation = values(gpen, "generator.conv1.conv.modulation.bias");
  EXPECT_EQ(modulation[1], 0.9631924033164978f);
  EXPECT_EQ(modulation.back(), 1.0747020244598389f);
  EXPECT_EQ(formula_tensor("gpen_bfr_512.input", 3 * 512 * 512, 1.0).back(), 0.17402923107147217f);
}

TEST(Formula, EveryRuleOfTheTable) {
  const double root3 = std::sqrt(3.0);
  const WeightStore gpen = *synthesize(arch_of("gpen:size=8,narrow=0.02,style=6,mlp=1"), SynthKind::formula, "s.");
  const WeightStore face = *synthesize(arch_of("retinaface-mobilenet0.25"), SynthKind::formula, "s.");
  struct Case {
    const WeightStore& store;
    const char* name;
    double offset, gain;
  };
  const Case cases[] = {{gpen, "generator.style.1.weight", 0, 100 * root3},
                        {gpen, "generator.style.1.bias", 0, 0.1},
                        {gpen, "generator.conv1.conv.weight", 0, root3},
                        {gpen, "generator.to_rgb1.conv.modulation.bias", 1, 0.1},
                        {gpen, "generator.convs.1.noise.weight", 1, 0.1},
                        {gpen, "ecd1.0.2.bias", 0, 0.1},
                        {face, "body.stage1.0.1.running_var", 1, 0.5},
                        {face, "body.stage1.0.1.running_mean", 0, 0.1},
                        {face, "body.stage1.0.1.weight", 1, 0.1},
                        {face, "body.stage1.0.0.weight", 0, std::sqrt(1.5 / 27)},
                        {face, "body.stage1.1.0.weight", 0, std::sqrt(1.5 / 9)}};
  for (const Case& c : cases) {
    const std::vector<float> v = values(c.store, c.name);
    ASSERT_FALSE(v.empty());
    for (size_t i = 0; i < v.size(); ++i) {
      const auto expected = static_cast<float>(c.offset + c.gain * unit(std::string("s.") + c.name, i));
      ASSERT_EQ(v[i], expected) << c.name << "[" << i << "]";
      ASSERT_EQ(formula_unit_value(formula_hash(std::string("s.") + c.name), i, c.offset, c.gain), expected);
    }
  }
  EXPECT_EQ(values(gpen, "ecd1.0.0.kernel"), blur_kernel("ecd1.0.0.kernel"));
  EXPECT_EQ(values(gpen, "ecd1.0.0.kernel")[5], 9.0f / 64);
  EXPECT_EQ(values(gpen, "generator.convs.0.conv.blur.kernel")[5], 36.0f / 64) << "carries the factor 4";
  EXPECT_EQ(values(gpen, "generator.to_rgbs.0.upsample.kernel")[0], 4.0f / 64);
  const WeightTensor* counter = face.find("body.stage1.0.1.num_batches_tracked");
  ASSERT_NE(counter, nullptr);
  EXPECT_EQ(counter->dtype, DType::i64);
  EXPECT_TRUE(counter->shape.empty());
}

TEST(Formula, DescribesItselfAndIsRecognised) {
  const WeightStore store =
      *synthesize(arch_of("gpen:size=64,cm=2,narrow=0.125,style=48,mlp=3"), SynthKind::formula, "x");
  EXPECT_EQ(store.metadata.at("gpen.kind"), "formula");
  EXPECT_EQ(store.metadata.at("gpen.seed"), "x");
  EXPECT_EQ(store.metadata.at("gpen.family"), "gpen");
  EXPECT_EQ(store.metadata.at("gpen.arch"), "gpen:size=64,cm=2,narrow=0.125,style=48,mlp=3");
  ASSERT_TRUE(detect_architecture(store).ok());
}

TEST(Formula, ThreadsDoNotChangeTheValues) {
  ThreadPool pool(3);
  const Architecture arch = arch_of("gpen:size=32,narrow=0.0625,style=32");
  const WeightStore one = *synthesize(arch, SynthKind::formula, "t");
  const WeightStore many = *synthesize(arch, SynthKind::formula, "t", &pool);
  ASSERT_EQ(one.tensors.size(), many.tensors.size());
  for (const auto& [name, tensor] : one.tensors) EXPECT_EQ(values(one, name), values(many, name)) << name;
}

TEST(Formula, AgreesWithTheCheckFile) {
  GPEN_NEEDS_SHARED("golden/formula_check.json");
  std::ifstream file(test::shared_file("golden/formula_check.json"));
  const nlohmann::json check = nlohmann::json::parse(file);
  const WeightStore gpen = *synthesize(arch_of("gpen-bfr-512"), SynthKind::formula);
  const WeightStore face = *synthesize(arch_of("retinaface-r50"), SynthKind::formula);
  ASSERT_GE(check.size(), 7u);
  for (const auto& [name, expected] : check.items()) {
    std::vector<float> v;
    int64_t count = 1;
    for (int64_t d : expected["shape"]) count *= d;
    if (expected.contains("scale")) {
      v = formula_tensor(name, count, expected["scale"]);
    } else {
      v = values(expected["family"] == "gpen" ? gpen : face, name);
    }
    ASSERT_EQ(static_cast<int64_t>(v.size()), count) << name;
    double sum = 0;
    for (float x : v) sum += x;
    for (size_t i = 0; i < expected["first"].size(); ++i) EXPECT_EQ(v[i], expected["first"][i].get<double>()) << name;
    EXPECT_EQ(v.back(), expected["last"].get<double>()) << name;
    EXPECT_NEAR(sum, expected["sum_float64"].get<double>(), 1e-12 * 200 * static_cast<double>(count)) << name;
  }
}

}  // namespace
}  // namespace gpen
