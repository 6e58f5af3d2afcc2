// The networks on a device: the published networks' answers, the laws they must obey, every precision.
#include "layers/gpen.h"
#include "layers/parsenet.h"
#include "layers/retinaface.h"
#include "layers/rrdbnet.h"
#include "support/devices.h"
#include "support/gpen_runner.h"
#include "support/network_cases.h"

namespace gpen::test {
namespace {

class GpuNetwork : public OnEachDevice {
 protected:
  Processor on(Precision p = Precision::fp32) const { return {std::make_shared<ThreadPool>(2), p, device()}; }
  // The emulation computes a few megaflops a second: released sizes are for real devices.
  bool real() const { return device()->info().name != "emulated"; }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuNetwork, ::testing::ValuesIn(tested_devices()), device_name);

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                     Precision::fp16_fast};
// Relative L2 error, formula weights.
double tolerance_of(Precision p) { return p == Precision::fp32 ? 2e-5 : p == Precision::bf16 ? 3e-2 : 5e-3; }

double relative_l2(const std::vector<float>& expected, const std::vector<float>& actual) {
  if (expected.size() != actual.size()) return INFINITY;
  double difference = 0, whole = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) return INFINITY;
    difference += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
    whole += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / whole);
}

Result<GpenNet> load_gpen(const WeightStore& store, const Processor& where) {
  auto net = GpenNet::load(store, where);
  EXPECT_TRUE(net.ok()) << net.status().message();
  return net;
}

std::vector<float> floats(const WeightStore& g, const std::string& name) {
  auto v = g.floats(name);
  EXPECT_TRUE(v.ok()) << v.status().message();
  return v.ok() ? *v : std::vector<float>();
}

void expect_checkpoint_matches(const std::string& name, const Processor& where) {
  const WeightStore g = golden_store("golden/" + name + ".safetensors");
  auto net = load_gpen(checkpoint_weights("golden/" + name + ".pth"), where);
  ASSERT_TRUE(net.ok());
  const auto input = floats(g, "input");
  const int64_t in = net->arch().in_size, n = static_cast<int64_t>(input.size()) / (3 * in * in);
  // Eager, while being recorded, replayed.
  for (const char* run : {"first", "second", "third"}) {
    const Answer a = forward(*net, input, n);
    EXPECT_LE(error(floats(g, "output"), a.output), 2e-5) << name << ", " << run << " run";
    if (g.find("latent") == nullptr) continue;
    EXPECT_LE(error(floats(g, "latent"), a.latent), 2e-5) << name << ", " << run << " run";
    EXPECT_LE(error(floats(g, "encoder_4x4"), a.encoder_4x4), 2e-5) << name << ", " << run << " run";
  }
}

TEST_P(GpuNetwork, GoldenTinyGpen) {
  GPEN_NEEDS_SHARED("golden/gpen_32_tiny.pth");
  expect_checkpoint_matches("gpen_32_tiny", on());
}
TEST_P(GpuNetwork, GoldenStyle48) {
  GPEN_NEEDS_SHARED("golden/gpen_64_style48.pth");
  expect_checkpoint_matches("gpen_64_style48", on());
}
TEST_P(GpuNetwork, GoldenSuperResolution) {
  GPEN_NEEDS_SHARED("golden/gpen_sr_16_64.pth");
  expect_checkpoint_matches("gpen_sr_16_64", on());
}

TEST_P(GpuNetwork, GoldenReleasedSizesInEveryPrecision) {
  const bool asked = std::getenv("GPEN_EMULATE_RELEASED") != nullptr;
  if (!real() && !asked)
    GTEST_SKIP() << "takes many minutes in the emulation (GPEN_EMULATE_RELEASED=1 runs GPEN-256 there); the small "
                    "networks have every kind of layer";
  GPEN_NEEDS_SHARED("golden/gpen_bfr_256.safetensors");
  if (!real()) gpu::emulation::settings().workers = 2;
  for (const int size : {256, 512, 1024}) {
    if (!real() && size > 256) continue;
    const std::string name = "gpen_bfr_" + std::to_string(size);
    const WeightStore g = golden_store("golden/" + name + ".safetensors");
    const WeightStore weights = formula_weights("gpen-bfr-" + std::to_string(size));
    for (const Precision p : kPrecisions) {
      auto net = load_gpen(weights, on(p));
      ASSERT_TRUE(net.ok());
      std::vector<float> output = forward(*net, formula_tensor(name + ".input", int64_t{3} * size * size, 1), 1).output;
      if (size == 1024) {  // the golden output keeps every 4th row and column
        std::vector<float> kept;
        for (int c = 0; c < 3; ++c)
          for (int y = 0; y < size; y += 4)
            for (int x = 0; x < size; x += 4) kept.push_back(output[static_cast<size_t>((c * size + y) * size + x)]);
        output = kept;
      }
      const double l2 = relative_l2(floats(g, "output"), output);
      RecordProperty(concat(name, "_", name_of(p)), std::to_string(l2));
      std::printf("%s in %s: relative L2 error %.2e\n", name.c_str(), name_of(p), l2);
      EXPECT_LE(l2, tolerance_of(p)) << name << " in " << name_of(p);
      if (p == Precision::fp32) {
        EXPECT_LE(error(floats(g, "output"), output), 2e-5) << name;
      }
    }
  }
}

constexpr const char* kSmall = "gpen:size=32,cm=2,narrow=0.0625,style=40,mlp=3";

TEST_P(GpuNetwork, EveryPrecisionIsCloseToTheProcessor) {
  const WeightStore store = formula_weights(kSmall);
  auto judge = load_gpen(store, {std::make_shared<ThreadPool>(2)});
  const auto x = formula_tensor("x", 3 * 32 * 32, 1);
  const Answer right = forward(*judge, x, 1);
  for (const Precision p : kPrecisions) {
    auto net = load_gpen(store, on(p));
    ASSERT_TRUE(net.ok());
    const double l2 = relative_l2(right.output, forward(*net, x, 1).output);
    RecordProperty(name_of(p), std::to_string(l2));
    EXPECT_LE(l2, tolerance_of(p)) << name_of(p);
    if (p != Precision::fp32) {
      EXPECT_GE(l2, 1e-6) << name_of(p) << " is not in use";
    }
  }
}

TEST_P(GpuNetwork, BatchesAndRepetitionDoNotChangeABit) {
  const WeightStore store = formula_weights(kSmall);
  const int64_t image = 3 * 32 * 32;
  const auto x = formula_tensor("batch", 3 * image, 1);
  for (const Precision p : {Precision::fp32, Precision::fp16}) {
    auto net = load_gpen(store, on(p));
    ASSERT_TRUE(net.ok());
    const Answer whole = forward(*net, x, 3);
    EXPECT_EQ(whole.output, forward(*net, x, 3).output) << name_of(p) << ": recorded";
    EXPECT_EQ(whole.output, forward(*net, x, 3).output) << name_of(p) << ": replayed";
    for (int64_t n = 0; n < 3; ++n) {
      const std::vector<float> single(x.begin() + n * image, x.begin() + (n + 1) * image);
      const Answer a = forward(*net, single, 1);
      EXPECT_TRUE(std::equal(a.output.begin(), a.output.end(), whole.output.begin() + n * image))
          << name_of(p) << ": image " << n;
    }
  }
}

// A replay reads its inputs' values anew.
TEST_P(GpuNetwork, RecordedWorkFollowsTheInput) {
  auto net = load_gpen(formula_weights(kSmall), on());
  ASSERT_TRUE(net.ok());
  const auto x = formula_tensor("x", 3 * 32 * 32, 1), z = formula_tensor("z", 3 * 32 * 32, 1);
  const auto of_x = forward(*net, x, 1).output;
  forward(*net, x, 1);
  const auto of_z = forward(*net, z, 1).output;
  EXPECT_NE(of_x, of_z);
  EXPECT_EQ(of_x, forward(*net, x, 1).output);
}

// Style and weights a thousand times as large: demodulation takes it back; half precision must not overflow on the way.
TEST_P(GpuNetwork, LargeWeightsAndStylesStayFinite) {
  WeightStore store = formula_weights(kSmall);
  WeightStore large;
  large.source = "scaled";
  for (const auto& [name, tensor] : store.tensors) {
    auto values = store.floats(name);
    ASSERT_TRUE(values.ok());
    const bool conv = name.find(".conv.weight") != std::string::npos;
    const bool style = name.find(".modulation.") != std::string::npos;
    const bool rgb = name.find("to_rgb") != std::string::npos;
    if ((conv || style) && !rgb)
      for (float& v : *values) v *= 1000;
    large.add(name, tensor.shape, *values);
  }
  const auto x = formula_tensor("x", 3 * 32 * 32, 1);
  auto plain = load_gpen(store, on());
  const Answer right = forward(*plain, x, 1);
  for (const Precision p : kPrecisions) {
    auto net = load_gpen(large, on(p));
    ASSERT_TRUE(net.ok());
    const double l2 = relative_l2(right.output, forward(*net, x, 1).output);
    EXPECT_LE(l2, 2 * tolerance_of(p)) << name_of(p);
  }
}

TEST_P(GpuNetwork, NoiseOfTheSuperResolutionVariantFollowsTheSeed) {
  const WeightStore store = formula_weights("gpen:size=32,in=16,cm=1,narrow=0.0625,style=32,mlp=2");
  auto net = load_gpen(store, on()), judge = load_gpen(store, {std::make_shared<ThreadPool>(2)});
  ASSERT_TRUE(net.ok());
  const auto x = formula_tensor("sr", 3 * 16 * 16, 1);
  for (const uint64_t seed : {1, 2, 3}) {
    EXPECT_LE(error(forward(*judge, x, 1, seed).output, forward(*net, x, 1, seed).output), 2e-5) << "seed " << seed;
  }
}

void expect_same_detections(const std::string& architecture, const Processor& where, const Tensor& picture) {
  const WeightStore store = formula_weights(architecture);
  auto net = RetinaFaceNet::load(store, where);
  auto judge = RetinaFaceNet::load(store, std::make_shared<ThreadPool>(2));
  ASSERT_TRUE(net.ok()) << net.status().message();
  const Planar input(picture);
  RetinaFaceNet::Output right, out;
  ASSERT_TRUE(judge->forward(input.view(), &right).ok());
  const Status s = net->forward(input.view(), &out);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_LE(error(right.loc, out.loc), 2e-5);
  EXPECT_LE(error(right.conf, out.conf), 2e-5);
  EXPECT_LE(error(right.landms, out.landms), 2e-5);
}

TEST_P(GpuNetwork, RetinafaceMobilenet) {
  expect_same_detections("retinaface-mobilenet0.25", on(), formula_input("faces", 2, 3, 37, 50, 60));
}
// These on pictures as small as the networks take: all their layers and little work.
TEST_P(GpuNetwork, RetinafaceResnet) {
  expect_same_detections("retinaface-r50", on(), formula_input("faces", 1, 3, 9, 18, 60));
}

TEST_P(GpuNetwork, RrdbNet) {
  const WeightStore store = formula_weights("realesrnet-x2");
  auto net = RrdbNet::load(store, on());
  auto judge = RrdbNet::load(store, std::make_shared<ThreadPool>(2));
  ASSERT_TRUE(net.ok()) << net.status().message();
  const Planar input(formula_input("picture", 1, 3, 6, 10, 1));
  Planar right(1, 3, 12, 20), out(1, 3, 12, 20);
  ASSERT_TRUE(judge->forward(input.view(), right.view()).ok());
  const Status s = net->forward(input.view(), out.view());
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_LE(relative_error(right.tensor(), out.tensor()), 2e-5);
}

TEST_P(GpuNetwork, ParseNet) {
  const WeightStore store = formula_weights("parsenet");
  auto net = ParseNet::load(store, on(Precision::tf32));
  auto judge = ParseNet::load(store, std::make_shared<ThreadPool>(2));
  ASSERT_TRUE(net.ok()) << net.status().message();
  const int64_t side = 64, classes = judge->arch().classes;
  const Planar input(formula_input("face", 1, 3, side, side, 1));
  Planar right(1, classes, side, side), out(1, classes, side, side);
  Planar right_image(1, 3, side, side), image(1, 3, side, side);
  ASSERT_TRUE(judge->forward(input.view(), right.view(), right_image.view()).ok());
  const Status s = net->forward(input.view(), out.view(), image.view());
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_LE(relative_error(right.tensor(), out.tensor()), 5e-3);
  EXPECT_LE(relative_error(right_image.tensor(), image.tensor()), 5e-3);
}

// Weights and activations of GPEN-512 for one face, as planned for an H200; nothing is computed.
TEST(GpuMemory, Gpen512InHalfPrecision) {
  const auto device = open_emulated_device({.multiprocessors = 132});
  const WeightStore store = formula_weights("gpen-bfr-512");
  const size_t before = device->free_bytes();
  auto net = GpenNet::load(store, {std::make_shared<ThreadPool>(2), Precision::fp16, device});
  ASSERT_TRUE(net.ok()) << net.status().message();
  const size_t weights = before - device->free_bytes();
  EXPECT_NEAR(static_cast<double>(weights), static_cast<double>(net->weight_bytes()), 1e6);
  EXPECT_LE(weights + net->arena_bytes_for(1), size_t{450} * 1000 * 1000);
}

TEST_P(GpuNetwork, MemoryIsReportedAndMissingMemoryIsAnError) {
  if (real()) GTEST_SKIP() << "a real device has enough";
  const WeightStore store = formula_weights(kSmall);
  size_t weights = 0, arena = 0;
  {
    auto net = load_gpen(store, on());
    ASSERT_TRUE(net.ok());
    weights = net->weight_bytes();
    arena = net->arena_bytes_for(1);
    const auto x = formula_tensor("x", 3 * 32 * 32, 1);
    forward(*net, x, 1);
    EXPECT_EQ(net->arena_bytes(), arena);
  }
  const auto pool = std::make_shared<ThreadPool>(1);
  const auto tight = open_emulated_device({.memory_bytes = 2 * weights + arena / 2});
  auto net = GpenNet::load(store, {pool, Precision::fp32, tight});
  if (!net.ok()) {
    EXPECT_EQ(net.status().code(), Code::memory) << net.status().message();
    return;
  }
  std::vector<float> x = formula_tensor("x", 64 * 3 * 32 * 32, 1), y(x.size());
  const Status s = net->forward(make_view(x.data(), 64, 3, 32, 32), make_view(y.data(), 64, 3, 32, 32));
  EXPECT_EQ(s.code(), Code::memory) << s.message();
  EXPECT_NE(s.message().find("MiB"), std::string::npos) << s.message();
}

}  // namespace
}  // namespace gpen::test
