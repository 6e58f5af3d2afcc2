// The background upscaler on a device: the processor's picture, whole and in tiles, and what goes up and comes down.
#include "pipeline/device_background.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/device_pictures.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

using namespace test;

class DeviceTiles : public DevicePictures {};
INSTANTIATE_TEST_SUITE_P(Device, DeviceTiles, testing::ValuesIn(picture_cases()), case_name);

TEST_P(DeviceTiles, AreCutAsOnTheProcessor) {
  for (const Size size : {Size{1, 1}, Size{2, 3}, Size{17, 33}, Size{64, 48}}) {
    const Image photo = random_image(size.width, size.height, 11);
    std::vector<float> planes(photo.rgb.size());
    for (int64_t i = 0; i < photo.pixels(); ++i)
      for (int64_t c = 0; c < 3; ++c)
        planes[static_cast<size_t>(c * photo.pixels() + i)] =
            static_cast<float>(photo.rgb[static_cast<size_t>(3 * i + c)]) / 255.0f;
    const TensorView whole = make_view(planes.data(), 1, 3, size.height, size.width);
    const DeviceImage there = on_device(photo);
    for (const int tile : {0, 7, 16})
      for (const Tile& t : plan_tiles(size.height, size.width, tile, 10, 4)) {
        std::vector<float> expected;
        cut_reflected(whole, t, &expected);
        const DeviceBuffer out = new_floats(expected.size());
        kernels().cut_tile(*device_, there.pixels(),
                           {static_cast<int>(t.read_x0), static_cast<int>(t.read_y0), static_cast<int>(t.read_x1),
                            static_cast<int>(t.read_y1)},
                           out.floats());
        ASSERT_EQ(back(out.floats(), expected.size()), expected) << size.width << "x" << size.height << " " << tile;
      }
  }
}

TEST_P(DeviceTiles, ArePastedClampedAndRounded) {
  constexpr int kWidth = 37, kHeight = 21;
  std::vector<float> planes(3 * kWidth * kHeight);
  for (size_t k = 0; k < planes.size(); ++k) planes[k] = static_cast<float>(k % 700) / 510.0f - 0.2f;
  planes[5] = std::numeric_limits<float>::infinity();
  planes[6] = -std::numeric_limits<float>::infinity();
  planes[7] = std::numeric_limits<float>::quiet_NaN();
  const DeviceBuffer there = on_device(planes);
  const Image before = random_image(50, 40, 12);
  for (const DeviceRect to : {DeviceRect{0, 0, 37, 21}, DeviceRect{13, 19, 50, 40}, DeviceRect{3, 4, 4, 5}}) {
    const int x0 = kWidth - (to.x1 - to.x0), y0 = kHeight - (to.y1 - to.y0);
    DeviceImage picture = on_device(before);
    kernels().paste_tile(*device_, {there.floats(), kWidth, kHeight, x0, y0}, to, picture.pixels());
    Image expected = before;
    for (int y = to.y0; y < to.y1; ++y)
      for (int x = to.x0; x < to.x1; ++x)
        for (int c = 0; c < 3; ++c)
          expected.row(y)[3 * x + c] =
              to_byte(planes[static_cast<size_t>((c * kHeight + y0 + y - to.y0) * kWidth + x0 + x - to.x0)] * 255.0f);
    EXPECT_EQ(back(picture).rgb, expected.rgb);
  }
}

TEST_P(DeviceTiles, RefusesWhatIsOutside) {
  DeviceImage picture = on_device(random_image(8, 8, 1));
  const DeviceBuffer planes = new_floats(3 * 64);
  const auto refused = [&] { return device_->finish().code() == Code::internal; };
  kernels().cut_tile(*device_, picture.pixels(), {-1, 0, 7, 8}, planes.floats());
  EXPECT_TRUE(refused());
  kernels().cut_tile(*device_, picture.pixels(), {4, 0, 4, 8}, planes.floats());
  EXPECT_TRUE(refused());
  kernels().paste_tile(*device_, {planes.floats(), 8, 8, 0, 0}, {1, 0, 9, 8}, picture.pixels());
  EXPECT_TRUE(refused());
  kernels().paste_tile(*device_, {planes.floats(), 8, 8, 1, 0}, {0, 0, 8, 8}, picture.pixels());
  EXPECT_TRUE(refused());
}

class DeviceBackground : public OnEachDevice {
 protected:
  Processor on(Precision precision = Precision::fp32) const { return {shared_pool(), precision, device()}; }
};
INSTANTIATE_TEST_SUITE_P(Device, DeviceBackground, ::testing::ValuesIn(tested_devices()), device_name);

// Whole, and in tiles of several shapes.
TEST_P(DeviceBackground, GivesTheProcessorsPicture) {
  const Image photo = test_picture(30, 9);
  for (const int scale : {1, 2, 4}) {
    const auto here = small_upscaler(scale, shared_pool()), there = small_upscaler(scale, on());
    ASSERT_TRUE(here != nullptr && there != nullptr);
    DeviceImage d_photo(device()), result(device());
    ASSERT_TRUE(d_photo.upload(photo).ok());
    for (const int tile : scale == 2 ? std::vector{0, 8} : std::vector{0}) {
      SCOPED_TRACE(concat("x", scale, ", tile ", tile));
      UpscaleOptions options;
      options.tile = tile;
      const auto expected = upscale_background(*here, photo, options, *shared_pool());
      ASSERT_TRUE(expected.ok()) << expected.status().message();
      int calls = 0, total = 0;
      options.progress = [&](int done, int all) {
        EXPECT_EQ(done, ++calls);
        total = all;
        return true;
      };
      const Status status = upscale_background(*there, d_photo, options, &result);
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(calls, total);
      EXPECT_EQ(total, tile == 0 ? 1 : 8);
      Image got;
      ASSERT_TRUE(result.download(&got).ok());
      const auto [low, high] = std::minmax_element(got.rgb.begin(), got.rgb.end());
      EXPECT_GT(*high - *low, 40) << "the picture has content";
      EXPECT_GE(largest_difference(got, *expected), 0);
      EXPECT_LE(largest_difference(got, *expected), 1);
    }
    DeviceImage enlarged(device());
    ASSERT_TRUE(enlarge(d_photo, scale, &enlarged).ok());
    Image got;
    ASSERT_TRUE(enlarged.download(&got).ok());
    EXPECT_EQ(got.rgb, enlarge(photo, scale, *shared_pool()).rgb);
  }
}

TEST_P(DeviceBackground, ErrorsAreThoseOfTheProcessor) {
  const auto net = small_upscaler(2, on());
  ASSERT_NE(net, nullptr);
  DeviceImage photo(device()), result(device());
  EXPECT_EQ(upscale_background(*net, photo, {}, &result).code(), Code::usage);
  ASSERT_TRUE(photo.upload(test_picture(20, 10)).ok());
  UpscaleOptions options;
  options.tile = -1;
  EXPECT_EQ(upscale_background(*net, photo, options, &result).code(), Code::usage);
  options.tile = 12;
  options.memory_limit = 3 * 40 * 20 - 1;
  EXPECT_EQ(upscale_background(*net, photo, options, &result).code(), Code::memory);
  options.memory_limit = 3 * 40 * 20;
  options.progress = [](int done, int) { return done < 2; };
  EXPECT_EQ(upscale_background(*net, photo, options, &result).code(), Code::cancelled);
  options.progress = nullptr;
  EXPECT_TRUE(upscale_background(*net, photo, options, &result).ok());
  const auto elsewhere = small_upscaler(2, shared_pool());
  EXPECT_EQ(upscale_background(*elsewhere, photo, options, &result).code(), Code::internal);
}

// Emulation only: its memory is as small as the test wants it.
TEST(SmallDeviceBackground, TilesAreAdvisedWhereOnePieceDoesNotFit) {
  EmulatedDeviceOptions large;
  const auto roomy = open_emulated_device(large);
  const auto weighed = small_upscaler(2, {shared_pool(), Precision::fp32, roomy});
  const size_t weights = large.memory_bytes - roomy->free_bytes();
  const auto device = open_emulated_device({.memory_bytes = weights + (size_t{3} << 20)});
  const auto net = small_upscaler(2, {shared_pool(), Precision::fp32, device});
  ASSERT_NE(net, nullptr);
  DeviceImage photo(device), result(device);
  ASSERT_TRUE(photo.upload(test_picture(90, 70)).ok());
  const Status status = upscale_background(*net, photo, {}, &result);
  EXPECT_EQ(status.code(), Code::memory);
  EXPECT_NE(status.message().find("--tile-size"), std::string::npos) << status.message();
  UpscaleOptions options;
  options.tile = 24;
  options.progress = [](int, int) { return false; };  // the first one has been done: that is enough
  EXPECT_EQ(upscale_background(*net, photo, options, &result).code(), Code::cancelled);
}

}  // namespace
}  // namespace gpen
