#include "pipeline/background.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "convert/checkpoint.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

Image random_picture(int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> level(0, 255);
  Image picture(width, height);
  for (uint8_t& value : picture.rgb) value = static_cast<uint8_t>(level(random));
  return picture;
}

std::shared_ptr<ThreadPool> pool() {
  static const auto threads = std::make_shared<ThreadPool>(2);
  return threads;
}

RrdbNet small_net(int scale) { return std::move(*test::small_upscaler(scale, pool())); }

// What the network answers for the whole picture, [0,1] in and not clamped.
std::vector<float> answer(RrdbNet& net, const Image& photo) {
  const int64_t scale = net.arch().scale;
  std::vector<float> in(photo.rgb.size()), out(photo.rgb.size() * static_cast<size_t>(scale * scale));
  for (int64_t i = 0; i < photo.pixels(); ++i)
    for (int64_t c = 0; c < 3; ++c) in[c * photo.pixels() + i] = static_cast<float>(photo.rgb[3 * i + c] / 255.0);
  const Status status = net.upscale(make_view(in.data(), 1, 3, photo.height, photo.width),
                                    make_view(out.data(), 1, 3, photo.height * scale, photo.width * scale), 0);
  EXPECT_TRUE(status.ok()) << status.message();
  return out;
}

void expect_rounded_answer(RrdbNet& net, const Image& photo) {
  const auto result = upscale_background(net, photo, {}, *pool());
  ASSERT_TRUE(result.ok()) << result.status().message();
  ASSERT_EQ(result->width, photo.width * net.arch().scale);
  ASSERT_EQ(result->height, photo.height * net.arch().scale);
  const std::vector<float> want = answer(net, photo);
  for (int64_t i = 0; i < result->pixels(); ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const double level = std::clamp(want[c * result->pixels() + i] * 255.0, 0.0, 255.0);
      ASSERT_NEAR(result->rgb[3 * i + c], level, 0.5 + 1e-3) << i;
    }
}

class Background : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Scale, Background, testing::Values(1, 2, 4));

TEST_P(Background, IsTheNetworksAnswerClampedAndRounded) {
  RrdbNet net = small_net(GetParam());
  // Odd sides and single pixels are continued by reflection inside and cut back.
  for (const auto& [w, h] : {std::pair{1, 1}, {2, 3}, {5, 1}, {17, 16}, {23, 9}})
    expect_rounded_answer(net, random_picture(w, h, static_cast<uint32_t>(w)));
}

TEST_P(Background, ReleasedKindOfCheckpoint) {
  const std::string file = concat("golden/rrdbnet_x", GetParam(), "_tiny.pth");
  GPEN_NEEDS_SHARED(file);
  const auto store = open_weights(test::shared_file(file));
  ASSERT_TRUE(store.ok()) << store.status().message();
  auto net = RrdbNet::load(*store, pool());
  ASSERT_TRUE(net.ok()) << net.status().message();
  EXPECT_EQ(net->arch().scale, GetParam());
  expect_rounded_answer(*net, random_picture(21, 18, 5));
}

TEST_P(Background, TilesAgreeWithOnePiece) {
  RrdbNet net = small_net(GetParam());
  const Image photo = random_picture(61, 47, 3);
  const auto whole = upscale_background(net, photo, {}, *pool());
  ASSERT_TRUE(whole.ok());
  // The picture has content: not flat, not saturated.
  const auto [low, high] = std::minmax_element(whole->rgb.begin(), whole->rgb.end());
  EXPECT_GT(*high - *low, 40);
  for (int tile : {16, 20, 32, 64}) {
    UpscaleOptions options;
    options.tile = tile;
    int calls = 0, total = 0;
    options.progress = [&](int done, int all) {
      EXPECT_EQ(done, ++calls);
      total = all;
      return true;
    };
    const auto tiled = upscale_background(net, photo, options, *pool());
    ASSERT_TRUE(tiled.ok()) << tiled.status().message();
    EXPECT_EQ(calls, total);
    EXPECT_EQ(total, ((61 + tile - 1) / tile) * ((47 + tile - 1) / tile));
    int worst = 0;
    for (size_t k = 0; k < whole->rgb.size(); ++k) worst = std::max(worst, std::abs(whole->rgb[k] - tiled->rgb[k]));
    RecordProperty(concat("worst_", tile), worst);
    EXPECT_LE(worst, tile >= 61 ? 0 : 2) << "tile " << tile;
  }
}

TEST_P(Background, AlphaIsEnlargedBilinearly) {
  RrdbNet net = small_net(GetParam());
  Image photo = random_picture(12, 10, 7);
  photo.alpha.resize(120);
  for (size_t k = 0; k < photo.alpha.size(); ++k) photo.alpha[k] = static_cast<uint8_t>(2 * k);
  const auto result = upscale_background(net, photo, {}, *pool());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->alpha, enlarge(photo, GetParam(), *pool()).alpha);
}

TEST(BackgroundErrors, AreSaidBeforeAnythingIsAllocated) {
  RrdbNet net = small_net(2);
  const Image photo = random_picture(20, 10, 1);
  UpscaleOptions options;
  options.memory_limit = upscale_bytes(20, 10, 2) - 1;
  EXPECT_EQ(upscale_bytes(20, 10, 2), 20u * 10 * 3 * (4 + 4 * 4 + 4));
  const Status memory = upscale_background(net, photo, options, *pool()).status();
  EXPECT_EQ(memory.code(), Code::memory);
  EXPECT_NE(memory.message().find("20x10"), std::string::npos) << memory.message();
  options.memory_limit = upscale_bytes(20, 10, 2);
  EXPECT_TRUE(upscale_background(net, photo, options, *pool()).ok());
  options.tile = -1;
  EXPECT_EQ(upscale_background(net, photo, options, *pool()).status().code(), Code::usage);
  EXPECT_EQ(upscale_background(net, Image(), {}, *pool()).status().code(), Code::usage);
  // 65535 x 65535 x 16 values of 4 bytes: no overflow.
  EXPECT_EQ(upscale_bytes(65535, 65535, 4), size_t{65535} * 65535 * 3 * (4 + 16 * 4 + 16));
}

TEST(BackgroundErrors, ProgressCancels) {
  RrdbNet net = small_net(4);
  UpscaleOptions options;
  options.tile = 8;
  int calls = 0;
  options.progress = [&](int done, int) { return ++calls, done < 3; };
  EXPECT_EQ(upscale_background(net, random_picture(40, 40, 2), options, *pool()).status().code(), Code::cancelled);
  EXPECT_EQ(calls, 3);
}

TEST(Enlarge, SamplesAtHalfPixelCentres) {
  Image photo(2, 1);
  photo.rgb = {0, 100, 200, 100, 200, 0};
  photo.alpha = {0, 255};
  EXPECT_EQ(enlarge(photo, 1, *pool()).rgb, photo.rgb);
  const Image twice = enlarge(photo, 2, *pool());
  ASSERT_EQ(twice.width, 4);
  ASSERT_EQ(twice.height, 2);
  const std::vector<uint8_t> row = {0, 100, 200, 25, 125, 150, 75, 175, 50, 100, 200, 0};
  EXPECT_TRUE(std::equal(row.begin(), row.end(), twice.rgb.begin()));
  EXPECT_TRUE(std::equal(row.begin(), row.end(), twice.rgb.begin() + 12));
  EXPECT_EQ(twice.alpha, (std::vector<uint8_t>{0, 64, 191, 255, 0, 64, 191, 255}));
  const Image one = enlarge(Image(1, 1), 4, *pool());
  EXPECT_EQ(one.rgb, std::vector<uint8_t>(48, 0));
}

}  // namespace
}  // namespace gpen
