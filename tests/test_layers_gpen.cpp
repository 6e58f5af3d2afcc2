// GPEN against the published networks' answers, and the laws it must obey.
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "convert/checkpoint.h"
#include "layers/gpen.h"
#include "support/compare.h"
#include "support/golden.h"
#include "support/gpen_runner.h"
#include "support/shared_data.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen {
namespace {

using namespace test;

std::shared_ptr<ThreadPool> pool_of(int threads) { return std::make_shared<ThreadPool>(threads); }

GpenNet load_net(const WeightStore& store, int threads = 2, Precision precision = Precision::fp32) {
  auto net = GpenNet::load(store, {pool_of(threads), precision});
  if (!net.ok()) ADD_FAILURE() << net.status().message();
  return std::move(net).value();
}

WeightStore synthetic(const std::string& name, SynthKind kind = SynthKind::formula, const std::string& seed = "") {
  auto arch = parse_architecture(name);
  EXPECT_TRUE(arch.ok()) << arch.status().message();
  auto store = synthesize(*arch, kind, seed);
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

std::vector<float> golden(const WeightStore& g, const std::string& name) {
  auto v = g.floats(name);
  EXPECT_TRUE(v.ok()) << v.status().message();
  return v.ok() ? *v : std::vector<float>();
}

void expect_checkpoint_matches(const std::string& checkpoint, const std::string& answer, double tolerance) {
  auto store = open_weights(shared_file("golden/" + checkpoint));
  ASSERT_TRUE(store.ok()) << store.status().message();
  GpenNet net = load_net(*store);
  const WeightStore g = golden_store("golden/" + answer);
  const auto input = golden(g, "input");
  const int64_t n = static_cast<int64_t>(input.size()) / (3 * net.arch().in_size * net.arch().in_size);
  const Answer a = forward(net, input, n);
  EXPECT_LE(error(golden(g, "output"), a.output), tolerance) << checkpoint;
  if (g.find("latent") != nullptr) {
    EXPECT_LE(error(golden(g, "latent"), a.latent), tolerance) << checkpoint;
    EXPECT_LE(error(golden(g, "encoder_4x4"), a.encoder_4x4), tolerance) << checkpoint;
  }
}

TEST(GpenGolden, CheckpointsOfEveryShape) {
  GPEN_NEEDS_SHARED("golden/gpen_32_tiny.pth");
  expect_checkpoint_matches("gpen_32_tiny.pth", "gpen_32_tiny.safetensors", 2e-5);
  expect_checkpoint_matches("gpen_64_style48.pth", "gpen_64_style48.safetensors", 2e-5);
  expect_checkpoint_matches("gpen_64_style48_legacy.pth", "gpen_64_style48.safetensors", 2e-5);
  expect_checkpoint_matches("gpen_64_style48_strided.pth", "gpen_64_style48.safetensors", 2e-5);
  expect_checkpoint_matches("gpen_64_style48_shared.pth", "gpen_64_style48.safetensors", 2e-5);
  expect_checkpoint_matches("gpen_64_style48_g_ema_half.pth", "gpen_64_style48.safetensors", 1e-3);
  expect_checkpoint_matches("gpen_64_style48_params_ema_bf16.pth", "gpen_64_style48.safetensors", 1e-2);
}

TEST(GpenGolden, SuperResolutionVariant) {
  GPEN_NEEDS_SHARED("golden/gpen_sr_16_64.pth");
  expect_checkpoint_matches("gpen_sr_16_64.pth", "gpen_sr_16_64.safetensors", 2e-5);
}

void expect_released_size_matches(int size) {
  const std::string name = "gpen_bfr_" + std::to_string(size);
  const WeightStore g = golden_store("golden/" + name + ".safetensors");
  GpenNet net = load_net(synthetic("gpen-bfr-" + std::to_string(size)));
  Answer a = forward(net, formula_tensor(name + ".input", int64_t{3} * size * size, 1), 1);
  EXPECT_LE(error(golden(g, "latent"), a.latent), 2e-5);
  EXPECT_LE(error(golden(g, "encoder_4x4"), a.encoder_4x4), 2e-5);
  if (size == 1024) {  // the golden output keeps every 4th row and column
    std::vector<float> kept;
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < size; y += 4)
        for (int x = 0; x < size; x += 4) kept.push_back(a.output[static_cast<size_t>((c * size + y) * size + x)]);
    a.output = kept;
  }
  EXPECT_LE(error(golden(g, "output"), a.output), 2e-5);
}

TEST(GpenGolden, ReleasedSize256) {
  GPEN_NEEDS_SHARED("golden/gpen_bfr_256.safetensors");
  expect_released_size_matches(256);
}
TEST(GpenGolden, ReleasedSize512) {
  GPEN_NEEDS_SHARED("golden/gpen_bfr_512.safetensors");
  expect_released_size_matches(512);
}
TEST(GpenGolden, ReleasedSize1024) {
  GPEN_NEEDS_SHARED("golden/gpen_bfr_1024.safetensors");
  expect_released_size_matches(1024);
}

// bf16 against the published network in fp32: rms of the difference over rms of the output at most 3e-2, and at most
// two levels of 8 bits on average.
void expect_released_size_matches_in_bf16(int size) {
  const std::string name = "gpen_bfr_" + std::to_string(size);
  const std::vector<float> right = golden(golden_store("golden/" + name + ".safetensors"), "output");
  GpenNet net = load_net(synthetic("gpen-bfr-" + std::to_string(size)), 2, Precision::bf16);
  const Answer a = forward(net, formula_tensor(name + ".input", int64_t{3} * size * size, 1), 1);
  ASSERT_EQ(a.output.size(), right.size());
  double difference = 0, whole = 0, levels = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const double d = static_cast<double>(a.output[i]) - right[i];
    difference += d * d;
    whole += static_cast<double>(right[i]) * right[i];
    levels += std::abs(d) * 127.5;
  }
  const double rms = std::sqrt(difference / whole);
  levels /= static_cast<double>(right.size());
  testing::Test::RecordProperty("relative_rms", std::to_string(rms));
  testing::Test::RecordProperty("mean_levels", std::to_string(levels));
  EXPECT_LE(rms, 3e-2);
  EXPECT_LE(levels, 2);
  EXPECT_GE(rms, 1e-4) << "not bf16";
}

TEST(GpenGolden, ReleasedSize256InBf16) {
  GPEN_NEEDS_SHARED("golden/gpen_bfr_256.safetensors");
  expect_released_size_matches_in_bf16(256);
}
TEST(GpenGolden, ReleasedSize512InBf16) {
  GPEN_NEEDS_SHARED("golden/gpen_bfr_512.safetensors");
  expect_released_size_matches_in_bf16(512);
}

TEST(GpenGolden, AnalyticCheckpointsComputeWhatTheySay) {
  GPEN_NEEDS_SHARED("golden/gpen_identity_256.pth");
  for (const auto& [file, sign] :
       {std::pair("golden/gpen_identity_256.pth", 1.f), {"golden/gpen_negative_256.pth", -1.f}}) {
    auto store = open_weights(shared_file(file));
    ASSERT_TRUE(store.ok()) << store.status().message();
    GpenNet net = load_net(*store);
    const auto x = formula_tensor("any", 3 * 256 * 256, 2);
    const Answer a = forward(net, x, 1);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(a.output[i], sign * x[i], 4e-6) << file << " at " << i;
  }
}

// What follows needs no data but the formula weights.
constexpr const char* kSmall = "gpen:size=64,cm=2,narrow=0.0625,style=40,mlp=3";

TEST(Gpen, IdentityAndNegativeAreLinear) {
  for (const auto& [kind, sign] : {std::pair(SynthKind::identity, 1.f), {SynthKind::negative, -1.f}}) {
    GpenNet net = load_net(synthetic("gpen:size=128,cm=2,narrow=0.25,style=32,mlp=2", kind));
    const auto x = formula_tensor("photo", 3 * 128 * 128, 1);
    const Answer a = forward(net, x, 1);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(a.output[i], sign * x[i], 2e-6) << i;
  }
}

class GpenPrecision : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Both, GpenPrecision, testing::Values(Precision::fp32, Precision::bf16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(GpenPrecision, ThreadsBatchesAndRepetitionDoNotChangeABit) {
  const WeightStore store = synthetic(kSmall);
  GpenNet one = load_net(store, 1, GetParam()), three = load_net(store, 3, GetParam());
  const int64_t image = 3 * 64 * 64;
  const auto x = formula_tensor("batch", 3 * image, 1);
  const Answer whole = forward(one, x, 3);
  EXPECT_EQ(whole.output, forward(three, x, 3).output);
  EXPECT_EQ(whole.output, forward(three, x, 3).output) << "second run";
  for (int64_t n = 0; n < 3; ++n) {
    const std::vector<float> single(x.begin() + n * image, x.begin() + (n + 1) * image);
    const Answer a = forward(three, single, 1);
    EXPECT_TRUE(std::equal(a.output.begin(), a.output.end(), whole.output.begin() + n * image)) << "image " << n;
  }
}

TEST_P(GpenPrecision, NetworksThatShareWeightsRunSideBySide) {
  std::optional<GpenNet> first = load_net(synthetic(kSmall), 2, GetParam());
  const auto x = formula_tensor("shared", 2 * 3 * 64 * 64, 1);
  const Answer expected = forward(*first, x, 2);
  std::vector<GpenNet> others;
  for (int i = 1; i <= 3; ++i) others.push_back(first->share(std::make_shared<ThreadPool>(i)));
  first.reset();  // the weights are theirs as well
  std::vector<std::thread> threads;
  std::vector<Answer> answers(others.size());
  for (size_t i = 0; i < others.size(); ++i)
    threads.emplace_back([&, i] {
      for (int run = 0; run < 3; ++run) answers[i] = forward(others[i], x, 2);
    });
  for (std::thread& t : threads) t.join();
  for (const Answer& answer : answers) EXPECT_EQ(answer.output, expected.output);
}

TEST(Gpen, NoiseOfTheSuperResolutionVariantFollowsTheSeed) {
  WeightStore store = synthetic("gpen:size=64,in=16,cm=1,narrow=0.0625,style=32,mlp=2");
  GpenNet net = load_net(store);
  ASSERT_EQ(net.arch().in_size, 16);
  const auto x = formula_tensor("sr", 3 * 16 * 16, 1);
  const auto first = forward(net, x, 1, 1).output;
  EXPECT_EQ(first, forward(net, x, 1, 1).output);
  EXPECT_NE(first, forward(net, x, 1, 2).output);
}

TEST(Gpen, WrongShapesAreRefusedInWords) {
  GpenNet net = load_net(synthetic(kSmall));
  std::vector<float> x(3 * 64 * 64), y(3 * 64 * 64);
  const Status s = net.forward(make_view(x.data(), 1, 3, 32, 64), make_view(y.data(), 1, 3, 64, 64));
  EXPECT_EQ(s.code(), Code::usage);
  EXPECT_NE(s.message().find("1x3x32x64"), std::string::npos) << s.message();
  EXPECT_EQ(net.forward(make_view(x.data(), 1, 3, 64, 64), make_view(y.data(), 1, 3, 32, 32)).code(), Code::usage);
}

// bf16 computes the decoder: its weights take less, and what the encoder gives stays as it is.
TEST(Gpen, Bf16LeavesTheEncoderAlone) {
  const WeightStore store = synthetic("gpen:size=64,cm=2,narrow=0.25,style=40,mlp=3");
  GpenNet whole = load_net(store), half = load_net(store, 2, Precision::bf16);
  EXPECT_LT(half.weight_bytes(), whole.weight_bytes());
  const auto x = formula_tensor("x", 3 * 64 * 64, 1);
  const Answer right = forward(whole, x, 1), a = forward(half, x, 1);
  EXPECT_LE(error(right.encoder_4x4, a.encoder_4x4), 2e-5);
  EXPECT_LE(error(right.latent, a.latent), 2e-5);
  EXPECT_NE(right.output, a.output);
  EXPECT_LE(error(right.output, a.output), 5e-2);
}

TEST(Gpen, AMissingTensorIsNamed) {
  WeightStore store = synthetic(kSmall);
  store.tensors.erase("generator.convs.3.conv.weight");
  auto net = GpenNet::load(store, pool_of(1));
  ASSERT_FALSE(net.ok());
  EXPECT_EQ(net.status().code(), Code::model);
  EXPECT_NE(net.status().message().find("generator.convs.3.conv.weight"), std::string::npos) << net.status().message();
}

TEST(Gpen, ArenaIsReportedBeforeItIsAllocated) {
  GpenNet net = load_net(synthetic(kSmall));
  const size_t one = net.arena_bytes_for(1), four = net.arena_bytes_for(4);
  EXPECT_LT(one, four);
  EXPECT_LT(four, 4 * one + (size_t{1} << 20));
  forward(net, formula_tensor("x", 3 * 64 * 64, 1), 1);
  EXPECT_EQ(net.arena_bytes(), one);
}

}  // namespace
}  // namespace gpen
