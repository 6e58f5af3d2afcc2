// ParseNet against the published answers.
#include "layers/parsenet.h"

#include "support/network_cases.h"

namespace gpen::test {
namespace {

ParseNet loaded(const WeightStore& store, int pool_threads = 2) {
  auto net = ParseNet::load(store, std::make_shared<ThreadPool>(pool_threads));
  EXPECT_TRUE(net.ok()) << net.status().message();
  return std::move(net).value();
}

struct Answer {
  Tensor mask_logits, image;
};

Answer forward(ParseNet& net, const Tensor& input, bool with_image = true) {
  const Planar in(input), mask(input.n, net.arch().classes, input.h, input.w), image(input.n, 3, input.h, input.w);
  const Status status = net.forward(in.view(), mask.view(), with_image ? image.view() : TensorView());
  EXPECT_TRUE(status.ok()) << status.message();
  return {mask.tensor(), image.tensor()};
}

TEST(ParseNet, TinyGolden) {
  GPEN_NEEDS_SHARED("golden/parsenet_64_tiny.pth");
  ParseNet net = loaded(checkpoint_weights("golden/parsenet_64_tiny.pth"));
  const WeightStore golden = golden_store("golden/parsenet_64_tiny.safetensors");
  const Answer answer = forward(net, golden_tensor(golden, "input"));
  const double mask = relative_error(golden_tensor(golden, "mask_logits"), answer.mask_logits);
  const double image = relative_error(golden_tensor(golden, "image"), answer.image);
  RecordProperty("relative_error", concat(mask, " ", image));
  EXPECT_LE(mask, kNetworkTolerance);
  EXPECT_LE(image, kNetworkTolerance);
}

TEST(ParseNet, ReleasedSizeGolden) {
  GPEN_NEEDS_SHARED("golden/parsenet_512.safetensors");
  ParseNet net = loaded(formula_weights("parsenet"));
  EXPECT_EQ(net.arch().size, 512);
  const WeightStore golden = golden_store("golden/parsenet_512.safetensors");
  const Answer answer = forward(net, formula_input("parsenet_512.input", 1, 3, 512, 512, 1));
  const double mask = relative_error(golden_tensor(golden, "mask_logits"), every(answer.mask_logits, 8));
  const double image = relative_error(golden_tensor(golden, "image"), every(answer.image, 8));
  RecordProperty("relative_error", concat(mask, " ", image));
  EXPECT_LE(mask, kNetworkTolerance);
  EXPECT_LE(image, kNetworkTolerance);
}

WeightStore small_weights() {
  ParseNetArch arch;
  arch.size = 64;
  arch.down_channels = {20, 32, 40};
  arch.body_blocks = 2;
  arch.up_channels = {24, 17};
  auto store = synthesize(Architecture(arch), SynthKind::formula);
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

TEST(ParseNet, BatchesThreadsAndRunsAreBitwiseEqual) {
  const WeightStore store = small_weights();
  ParseNet one = loaded(store, 1), three = loaded(store, 3);
  std::mt19937 rng(71);
  const Tensor a = random_uniform(1, 3, 16, 24, -1, 1, rng), b = random_uniform(2, 3, 16, 24, -1, 1, rng);
  const Answer y = forward(one, a);
  EXPECT_EQ(y.mask_logits.v, forward(one, a).mask_logits.v) << "second run";
  EXPECT_EQ(y.mask_logits.v, forward(one, a, false).mask_logits.v) << "without the image head";
  EXPECT_EQ(y.image.v, forward(three, a).image.v) << "three threads";
  const Answer batch = forward(three, stacked(b, a));
  EXPECT_EQ(y.mask_logits.v, batch_item(batch.mask_logits, 2).v);
  EXPECT_EQ(y.image.v, batch_item(batch.image, 2).v);
  EXPECT_EQ(forward(one, batch_item(b, 0)).image.v, batch_item(batch.image, 0).v);
}

TEST(ParseNet, RefusesWrongShapesAndWeights) {
  const WeightStore store = small_weights();
  ParseNet net = loaded(store);
  const int64_t classes = net.arch().classes;
  const Planar in(1, 3, 16, 16), odd(1, 3, 18, 16), tiny(1, 3, 4, 16), mask(1, classes, 16, 16),
      few(1, classes - 1, 16, 16), image(1, 3, 16, 16);
  EXPECT_TRUE(net.forward(in.view(), mask.view(), image.view()).ok());
  EXPECT_EQ(net.forward(odd.view(), mask.view(), image.view()).code(), Code::usage);
  EXPECT_EQ(net.forward(tiny.view(), mask.view(), image.view()).code(), Code::usage);
  EXPECT_EQ(net.forward(in.view(), few.view(), image.view()).code(), Code::usage);
  EXPECT_EQ(net.forward(in.view(), mask.view(), mask.view()).code(), Code::usage);

  // A negative variance cannot come from training; it must not become NaN weights.
  WeightStore negative = store;
  const std::string name = "body.1.conv2.norm.norm.running_var";
  auto values = negative.floats(name);
  ASSERT_TRUE(values.ok());
  (*values)[3] = -0.5f;
  const int64_t channels = static_cast<int64_t>(values->size());
  negative.tensors.erase(name);
  negative.add(name, {channels}, *values);
  const Status status = ParseNet::load(negative, std::make_shared<ThreadPool>(1)).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("body.1.conv2.norm.norm"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace gpen::test
