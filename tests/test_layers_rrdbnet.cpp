// RRDBNet against the published answers, and its tiles.
#include "layers/rrdbnet.h"

#include <cmath>
#include <map>

#include "layers/tiles.h"
#include "support/network_cases.h"

namespace gpen::test {
namespace {

std::shared_ptr<ThreadPool> threads(int n) { return std::make_shared<ThreadPool>(n); }

RrdbNet loaded(const WeightStore& store, int pool_threads = 2) {
  auto net = RrdbNet::load(store, threads(pool_threads));
  EXPECT_TRUE(net.ok()) << net.status().message();
  return std::move(net).value();
}

Tensor forward(RrdbNet& net, const Tensor& input) {
  const int64_t scale = net.arch().scale;
  const Planar in(input), out(input.n, 3, input.h * scale, input.w * scale);
  const Status status = net.forward(in.view(), out.view());
  EXPECT_TRUE(status.ok()) << status.message();
  return out.tensor();
}

Tensor upscale(RrdbNet& net, const Tensor& input, int tile) {
  const int64_t scale = net.arch().scale;
  const Planar in(input), out(1, 3, input.h * scale, input.w * scale);
  const Status status = net.upscale(in.view(), out.view(), tile);
  EXPECT_TRUE(status.ok()) << status.message();
  return out.tensor();
}

class Golden : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Scale, Golden, ::testing::Values(1, 2, 4));

TEST_P(Golden, Tiny) {
  const std::string name = concat("golden/rrdbnet_x", GetParam(), "_tiny");
  GPEN_NEEDS_SHARED(name + ".pth");
  RrdbNet net = loaded(checkpoint_weights(name + ".pth"));
  EXPECT_EQ(net.arch().scale, GetParam());
  const WeightStore golden = golden_store(name + ".safetensors");
  const double error = relative_error(golden_tensor(golden, "output"), forward(net, golden_tensor(golden, "input")));
  RecordProperty("relative_error", concat(error));
  EXPECT_LE(error, kNetworkTolerance);
}

TEST(RrdbNet, RealesrnetX2Golden) {
  GPEN_NEEDS_SHARED("golden/realesrnet_x2.safetensors");
  RrdbNet net = loaded(formula_weights("realesrnet-x2"));
  const WeightStore golden = golden_store("golden/realesrnet_x2.safetensors");
  const double error = relative_error(golden_tensor(golden, "output"),
                                      forward(net, formula_input("realesrnet_x2.input", 1, 3, 64, 96, 1)));
  RecordProperty("relative_error", concat(error));
  EXPECT_LE(error, kNetworkTolerance);
}

// Laws on a small network of formula weights: nothing shared is needed.
class SmallRrdb : public ::testing::TestWithParam<int> {
 protected:
  WeightStore weights() const {
    RrdbNetArch arch;
    arch.scale = GetParam();
    arch.features = 24;  // neither is a multiple of 16: every part of the concatenation has a gap
    arch.growth = 12;
    arch.blocks = 2;
    auto store = synthesize(Architecture(arch), SynthKind::formula);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return std::move(store).value();
  }
};
INSTANTIATE_TEST_SUITE_P(Scale, SmallRrdb, ::testing::Values(1, 2, 4));

TEST_P(SmallRrdb, BatchesThreadsAndRunsAreBitwiseEqual) {
  const WeightStore store = weights();
  RrdbNet one = loaded(store, 1), three = loaded(store, 3);
  std::mt19937 rng(61);
  const Tensor a = random_uniform(1, 3, 12, 20, 0, 1, rng), b = random_uniform(2, 3, 12, 20, 0, 1, rng);
  const Tensor y = forward(one, a);
  EXPECT_EQ(y.v, forward(one, a).v) << "second run";
  EXPECT_EQ(y.v, forward(three, a).v) << "three threads";
  const Tensor batch = forward(three, stacked(a, b));
  EXPECT_EQ(y.v, batch_item(batch, 0).v) << "first of three";
  EXPECT_EQ(forward(one, batch_item(b, 1)).v, batch_item(batch, 2).v) << "last of three";
  EXPECT_EQ(y.v, forward(three, a).v) << "planned anew";
}

// One piece: exactly forward() of the reflected picture, cropped.
TEST_P(SmallRrdb, UpscaleOfAnySizePadsByReflection) {
  RrdbNet net = loaded(weights());
  std::mt19937 rng(62);
  const int64_t scale = GetParam(), h = 11, w = 6, f = 4 / scale;
  const Tensor x = random_uniform(1, 3, h, w, 0, 1, rng);
  Tensor padded(1, 3, ceil_div(h, f) * f, ceil_div(w, f) * f);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < padded.h; ++i)
      for (int64_t j = 0; j < padded.w; ++j)
        padded.at(0, c, i, j) = x.at(0, c, i < h ? i : 2 * h - 2 - i, j < w ? j : 2 * w - 2 - j);
  const Tensor whole = forward(net, padded);
  Tensor expected(1, 3, h * scale, w * scale);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < expected.h; ++i)
      for (int64_t j = 0; j < expected.w; ++j) expected.at(0, c, i, j) = whole.at(0, c, i, j);
  EXPECT_TRUE(close(expected, upscale(net, x, 0), {}));
}

TEST_P(SmallRrdb, OnePixelPictures) {
  RrdbNet net = loaded(weights());
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {1, 5}, {7, 2}}) {
    const Tensor y = upscale(net, Tensor(1, 3, h, w, 0.5), 0);
    EXPECT_EQ(y.h, h * GetParam());
    for (double v : y.v) EXPECT_TRUE(std::isfinite(v));
  }
}

TEST_P(SmallRrdb, ATileLargerThanThePictureIsOnePiece) {
  RrdbNet net = loaded(weights());
  std::mt19937 rng(63);
  const Tensor x = random_uniform(1, 3, 30, 25, 0, 1, rng);
  EXPECT_EQ(upscale(net, x, 0).v, upscale(net, x, 100).v);
}

// With the dense blocks' weights at zero each of them is the identity, and an output pixel depends on input pixels at
// most 13 (x1), 7 (x2) or 4 (x4) away. The margin of 10 (12 for x1) makes seams invisible but for one pixel in x1.
TEST_P(SmallRrdb, TilesShowNoSeamsWhenTheMarginCoversTheReach) {
  WeightStore store = weights();
  const std::map<std::string, WeightTensor> tensors = store.tensors;
  for (const auto& [name, tensor] : tensors)
    if (name.rfind("body.", 0) == 0)
      store.add(name, tensor.shape, std::vector<float>(static_cast<size_t>(tensor.count()), 0.0f));
  RrdbNet net = loaded(store);
  std::mt19937 rng(64);
  const Tensor x = random_uniform(1, 3, 70, 45, 0, 1, rng);
  const int64_t side = 32, scale = GetParam();
  Tensor whole = upscale(net, x, 0), tiled = upscale(net, x, side);
  const auto at_a_seam = [&](int64_t i) { return scale == 1 && (i % side == 0 || i % side == side - 1); };
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < whole.h; ++i)
      for (int64_t j = 0; j < whole.w; ++j)
        if (at_a_seam(i) || at_a_seam(j)) whole.at(0, c, i, j) = tiled.at(0, c, i, j);
  EXPECT_LT(relative_error(whole, tiled), 2e-6);
}

TEST(RrdbNet, UpscaleReportsProgressAndStops) {
  RrdbNetArch arch;
  arch.features = arch.growth = 16;
  arch.blocks = 1;
  auto store = synthesize(Architecture(arch), SynthKind::formula);
  ASSERT_TRUE(store.ok());
  RrdbNet net = loaded(*store);
  const Planar in(Tensor(1, 3, 20, 30, 0.5)), out(1, 3, 40, 60);
  std::vector<int> seen;
  EXPECT_TRUE(net.upscale(in.view(), out.view(), 10,
                          [&](int done, int total) {
                            EXPECT_EQ(total, 6);
                            seen.push_back(done);
                            return true;
                          })
                  .ok());
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(net.upscale(in.view(), out.view(), 10, [](int done, int) { return done < 2; }).code(), Code::cancelled);
}

TEST(RrdbNet, RefusesWrongShapesAndWeights) {
  RrdbNetArch arch;
  arch.features = arch.growth = 16;
  arch.blocks = 1;
  auto store = synthesize(Architecture(arch), SynthKind::formula);
  ASSERT_TRUE(store.ok());
  RrdbNet net = loaded(*store);
  const Planar odd(1, 3, 5, 4), gray(1, 1, 4, 4), in(1, 3, 4, 4), small(1, 3, 4, 4), out(1, 3, 8, 8);
  EXPECT_EQ(net.forward(odd.view(), out.view()).code(), Code::usage);
  EXPECT_EQ(net.forward(gray.view(), out.view()).code(), Code::usage);
  EXPECT_EQ(net.forward(in.view(), small.view()).code(), Code::usage);
  EXPECT_EQ(net.upscale(in.view(), small.view(), 0).code(), Code::usage);
  EXPECT_TRUE(net.forward(in.view(), out.view()).ok());

  WeightStore broken = *store;
  broken.tensors.erase("conv_body.weight");
  EXPECT_EQ(RrdbNet::load(broken, threads(1)).status().code(), Code::model);
  EXPECT_EQ(RrdbNet::load(formula_weights("retinaface-mobilenet0.25"), threads(1)).status().code(), Code::model);
}

TEST(Tiles, CoverThePictureOnceAndReadTheirMargins) {
  for (const int64_t multiple : {1, 2, 4})
    for (const int64_t tile : {0, 7, 16, 100}) {
      const int64_t h = 37, w = 50;
      std::vector<int> covered(static_cast<size_t>(h * w), 0);
      for (const Tile& t : plan_tiles(h, w, tile, 10, multiple)) {
        EXPECT_EQ((t.read_y1 - t.read_y0) % multiple, 0);
        EXPECT_EQ((t.read_x0) % multiple, 0);
        if (t.y0 > 0) {
          EXPECT_TRUE(t.y0 - t.read_y0 >= 10 || t.read_y0 == 0);
        }
        if (t.x1 < w) {
          EXPECT_TRUE(t.read_x1 - t.x1 >= 10 || t.read_x1 >= w);
        }
        EXPECT_LE(t.read_y1, ceil_div(h, multiple) * multiple);
        for (int64_t y = t.y0; y < t.y1; ++y)
          for (int64_t x = t.x0; x < t.x1; ++x) ++covered[static_cast<size_t>(y * w + x)];
      }
      EXPECT_EQ(std::count(covered.begin(), covered.end(), 1), h * w) << "tile " << tile;
    }
}

TEST(Tiles, CutMirrorsWithoutRepeatingTheEdge) {
  const Planar picture(Tensor(1, 1, 2, 3, std::vector<double>{1, 2, 3, 4, 5, 6}));
  std::vector<float> memory;
  const TensorView cut = cut_reflected(picture.view(), {0, 0, 2, 3, 0, 1, 4, 5}, &memory);
  EXPECT_EQ(cut.h, 4);
  EXPECT_EQ(cut.w, 4);
  EXPECT_EQ(memory, (std::vector<float>{2, 3, 2, 1, 5, 6, 5, 4, 2, 3, 2, 1, 5, 6, 5, 4}));
}

}  // namespace
}  // namespace gpen::test
