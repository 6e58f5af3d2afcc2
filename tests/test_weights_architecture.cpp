// Architectures from names and shapes: the released key lists, round trips, and what does not fit.
#include <fstream>
#include <sstream>

#include "support/shared_data.h"
#include "weights/architecture.h"
#include "weights/synth.h"

namespace gpen {
namespace {

using Named = std::pair<std::string, std::vector<int64_t>>;

Architecture arch_of(const std::string& name) {
  Result<Architecture> arch = parse_architecture(name);
  EXPECT_TRUE(arch.ok()) << arch.status().message();
  return arch.ok() ? *arch : Architecture();
}

// A store with the shapes of an architecture and nothing but zeros (and the blur kernels).
WeightStore blank(const Architecture& arch) {
  WeightStore store;
  store.source = "blank";
  for (const auto& [name, shape] : tensor_list(arch)) {
    size_t count = 1;
    for (int64_t d : shape) count *= static_cast<size_t>(d);
    store.add(name, shape, is_blur_kernel(name) ? blur_kernel(name) : std::vector<float>(count));
  }
  return store;
}

int64_t parameters(const Architecture& arch) {
  int64_t total = 0;
  for (const auto& [name, shape] : tensor_list(arch)) {
    int64_t count = 1;
    for (int64_t d : shape) count *= d;
    if (!is_counter(name)) total += count;
  }
  return total;
}

// "name 1x2x3", "name  int64" for a scalar.
std::vector<Named> read_keys(const std::filesystem::path& path) {
  std::vector<Named> keys;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Named key;
    std::string shape;
    words >> key.first >> shape;
    if (shape != "int64") {
      std::istringstream numbers(shape);
      for (std::string n; std::getline(numbers, n, 'x');) key.second.push_back(std::stoll(n));
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

class ReleasedKeys : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ReleasedKeys, NamesOrderAndShapesAreTheCheckpoints) {
  const auto [name, file] = GetParam();
  GPEN_NEEDS_SHARED(std::string("golden/keys/") + file);
  const std::vector<Named> expected = read_keys(test::shared_file(std::string("golden/keys/") + file));
  const std::vector<Named> actual = tensor_list(arch_of(name));
  ASSERT_GT(expected.size(), 50u);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(actual[i], expected[i]) << "line " << i + 1;
}

INSTANTIATE_TEST_SUITE_P(
    All, ReleasedKeys,
    testing::Values(std::pair("gpen-bfr-256", "gpen_bfr_256.txt"), std::pair("gpen-bfr-512", "gpen_bfr_512.txt"),
                    std::pair("gpen-bfr-1024", "gpen_bfr_1024.txt"), std::pair("gpen-bfr-2048", "gpen_bfr_2048.txt"),
                    std::pair("retinaface-r50", "retinaface_r50.txt"),
                    std::pair("retinaface-mobilenet0.25", "retinaface_mobilenet0.25.txt"),
                    std::pair("parsenet", "parsenet.txt"), std::pair("realesrnet-x1", "realesrnet_x1.txt"),
                    std::pair("realesrnet-x2", "realesrnet_x2.txt"), std::pair("realesrnet-x4", "realesrnet_x4.txt")));

TEST(Architecture, ReleasedGpensHaveThePublishedNumberOfParameters) {
  EXPECT_EQ(parameters(arch_of("gpen-bfr-256")), 18879298);
  EXPECT_EQ(parameters(arch_of("gpen-bfr-512")), 71005559);
  EXPECT_EQ(parameters(arch_of("gpen-bfr-1024")), 71210924);
  EXPECT_EQ(parameters(arch_of("gpen-bfr-2048")), 71295201);
}

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, DetectedFromItsOwnTensors) {
  const Architecture arch = arch_of(GetParam());
  const WeightStore store = blank(arch);
  const Result<Architecture> found = detect_architecture(store);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(tensor_list(*found), tensor_list(arch));
  EXPECT_EQ(describe(*found), describe(arch));
  // The metadata's one-line form names the same network again.
  EXPECT_EQ(tensor_list(arch_of(architecture_spec(*found))), tensor_list(arch));
}

INSTANTIATE_TEST_SUITE_P(All, RoundTrip,
                         testing::Values("gpen:size=8,narrow=0.02,style=5,mlp=0", "gpen:size=32,narrow=0.0625",
                                         "gpen:size=64,cm=2,narrow=0.125,style=48,mlp=3",
                                         "gpen:size=64,in=16,cm=1,narrow=0.0625,style=64,mlp=2",
                                         "gpen:size=2048,cm=2,narrow=0.0625,style=8,mlp=1", "gpen-bfr-256",
                                         "RetinaFace_MobileNet0.25", "realesrnet_x1", "realesrnet-x2",
                                         "realesrnet-x4"));

TEST(Architecture, DescribesInWords) {
  EXPECT_EQ(describe(arch_of("gpen-bfr-512")), "GPEN 512, channel multiplier 2, narrow 1, style 512, 8 mapping layers");
  EXPECT_EQ(describe(arch_of("gpen-bfr-256")),
            "GPEN 256, channel multiplier 1, narrow 0.5, style 512, 8 mapping layers");
  EXPECT_EQ(describe(arch_of("retinaface-r50")), "RetinaFace, ResNet-50, FPN width 256");
  EXPECT_EQ(describe(arch_of("realesrnet-x2")), "RRDBNet x2, 32 features, 23 blocks, growth 32");
  EXPECT_NE(describe(arch_of("parsenet")).find("ParseNet 512, 19 classes"), std::string::npos);
}

TEST(Architecture, ParseNetTakesItsSideFromMetadata) {
  ParseNetArch tiny;
  tiny.down_channels = {8, 12, 12};
  tiny.up_channels = {12, 8};
  tiny.body_blocks = 2;
  WeightStore store = blank(tiny);
  Result<Architecture> found = detect_architecture(store);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(std::get<ParseNetArch>(*found).size, 128) << "two halvings down to 32";
  store.metadata["gpen.size"] = "64";
  EXPECT_EQ(std::get<ParseNetArch>(*detect_architecture(store)).size, 64);
  for (const char* nonsense : {"", "-64", "63", "99999999999999999999", "x"}) {
    store.metadata["gpen.size"] = nonsense;
    EXPECT_EQ(std::get<ParseNetArch>(*detect_architecture(store)).size, 128) << nonsense;
  }
}

TEST(Architecture, EveryMissingTensorIsNamedButCountersAndKernels) {
  for (const char* name : {"gpen:size=16,narrow=0.02,style=4,mlp=2", "retinaface-mobilenet0.25", "realesrnet-x4"}) {
    const WeightStore whole = blank(arch_of(name));
    for (const auto& [tensor, ignored] : whole.tensors) {
      WeightStore store = whole;
      store.tensors.erase(tensor);
      const Result<Architecture> found = detect_architecture(store);
      if (is_counter(tensor) || is_blur_kernel(tensor)) {
        EXPECT_TRUE(found.ok()) << tensor << ": " << found.status().message();
      } else if (found.ok()) {
        // Only the last of a repeated part can go unnoticed, as a shallower network.
        EXPECT_NE(tensor_list(*found), tensor_list(arch_of(name))) << tensor;
      } else {
        EXPECT_EQ(found.status().code(), Code::model);
        EXPECT_NE(found.status().message().find("blank: "), std::string::npos) << found.status().message();
      }
    }
  }
}

TEST(Architecture, AWrongShapeIsNamedWithWhatWasExpected) {
  WeightStore store = blank(arch_of("gpen:size=16,narrow=0.03125,style=4,mlp=2"));
  store.add("generator.convs.3.conv.weight", {1, 16, 31, 3, 3}, std::vector<float>(16 * 31 * 9));
  const Status status = detect_architecture(store).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_EQ(status.message(),
            "blank: tensor generator.convs.3.conv.weight has shape 1x16x31x3x3, expected 1x16x32x3x3");
}

TEST(Architecture, EncoderAndDecoderMustFitTogether) {
  WeightStore store = blank(arch_of("gpen:size=16,narrow=0.03125,style=4,mlp=2"));
  store.add("ecd1.0.1.weight", {8, 16, 3, 3}, std::vector<float>(8 * 16 * 9));
  EXPECT_NE(detect_architecture(store).status().message().find("ecd1.0.1.weight"), std::string::npos);
}

TEST(Architecture, RefusesABlurOfAnotherArchitecture) {
  const WeightStore whole = blank(arch_of("gpen:size=16,narrow=0.02,style=4,mlp=1"));
  for (const char* name :
       {"generator.convs.0.conv.blur.kernel", "generator.to_rgbs.1.upsample.kernel", "ecd2.0.0.kernel"}) {
    std::vector<float> kernel = blur_kernel(name);
    WeightStore store = whole;
    kernel[5] *= 1.0009f;  // half precision's rounding is accepted
    store.add(name, {4, 4}, kernel);
    EXPECT_TRUE(detect_architecture(store).ok());
    kernel[5] *= 1.001f;
    store.add(name, {4, 4}, kernel);
    EXPECT_NE(detect_architecture(store).status().message().find(name), std::string::npos);
    for (float& k : kernel) k *= 4;
    store.add(name, {4, 4}, kernel);
    EXPECT_FALSE(detect_architecture(store).ok());
  }
}

TEST(Architecture, RefusesWhatItDoesNotKnow) {
  WeightStore store;
  store.source = "other.safetensors";
  store.add("conv.weight", {1}, {1.0f});
  const Status status = detect_architecture(store).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("other.safetensors"), std::string::npos);
  EXPECT_NE(status.message().find("GPEN, RetinaFace, ParseNet, RRDBNet"), std::string::npos);
  EXPECT_FALSE(detect_architecture(WeightStore()).ok());
}

TEST(Architecture, RefusesIntegersAsWeights) {
  WeightStore store = blank(arch_of("realesrnet-x4"));
  store.add_bytes("conv_last.bias", DType::i32, {3}, std::vector<std::byte>(12));
  EXPECT_NE(detect_architecture(store).status().message().find("conv_last.bias holds I32"), std::string::npos);
}

TEST(Architecture, NamesAreUnderstoodOrRefusedWithTheList) {
  for (const char* name :
       {"", "gpen", "gpen-bfr-128", "gpen:", "gpen:size=100", "gpen:size=4096", "gpen:size=64,cm=x", "gpen:size=64,,",
        "gpen:size=64,in=128", "gpen:size=64,narrow=0", "gpen:size=64,narrow=nan", "gpen:size=64,narrow=0.0001",
        "gpen:size=64,mlp=-1", "gpen:size=64,style=0", "realesrnet-x3"}) {
    const Result<Architecture> arch = parse_architecture(name);
    ASSERT_FALSE(arch.ok()) << name;
    EXPECT_EQ(arch.status().code(), Code::usage) << name;
    EXPECT_FALSE(arch.status().message().empty());
  }
}

}  // namespace
}  // namespace gpen
