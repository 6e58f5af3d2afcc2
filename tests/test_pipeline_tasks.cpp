#include "pipeline/tasks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <utility>

namespace gpen {
namespace {

Image random_picture(int width, int height, uint32_t seed, int low = 0, int high = 254) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> level(low, high);
  Image picture(width, height);
  for (uint8_t& value : picture.rgb) value = static_cast<uint8_t>(level(random));
  return picture;
}

void set(Image& picture, int x, int y, int r, int g, int b) {
  uint8_t* p = picture.row(y) + int64_t{3} * x;
  p[0] = static_cast<uint8_t>(r);
  p[1] = static_cast<uint8_t>(g);
  p[2] = static_cast<uint8_t>(b);
}

double luma_of(const Image& picture, int64_t i) {
  const uint8_t* p = picture.rgb.data() + 3 * i;
  return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

TEST(Tasks, NamesAreFoundAndOthersRefused) {
  for (Task task : {Task::restore, Task::colorize, Task::inpaint, Task::seg2face}) {
    const auto found = parse_task(traits(task).name);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, task);
  }
  for (const char* name : {"", "Restore", "restore ", "upscale"}) {
    const auto found = parse_task(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.status().code(), Code::usage);
    EXPECT_NE(found.status().message().find("colorize"), std::string::npos);
  }
}

TEST(Tasks, NetworkRanges) {
  Image picture(3, 1);
  set(picture, 0, 0, 0, 255, 51);
  set(picture, 1, 0, 255, 0, 0);
  set(picture, 2, 0, 10, 20, 30);
  float planar[9];
  task_input(Task::restore, picture, planar);
  EXPECT_EQ(planar[0], -1);                   // R of pixel 0
  EXPECT_EQ(planar[1], 1);                    // R of pixel 1
  EXPECT_EQ(planar[3], 1);                    // G of pixel 0
  EXPECT_NEAR(planar[6], 2 * 0.2 - 1, 1e-6);  // B of pixel 0
  float same[9];
  task_input(Task::inpaint, picture, same);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(planar[i], same[i]);
  task_input(Task::seg2face, picture, planar);
  EXPECT_EQ(planar[0], 0);
  EXPECT_EQ(planar[1], 1);
  EXPECT_NEAR(planar[6], 0.2, 1e-7);
  EXPECT_NEAR(planar[8], 30 / 255.0, 1e-7);
}

TEST(Tasks, ColorizeSeesLumaInAllChannels) {
  Image picture(3, 1);
  set(picture, 0, 0, 255, 0, 0);
  set(picture, 1, 0, 0, 255, 0);
  set(picture, 2, 0, 0, 0, 255);
  float planar[9];
  task_input(Task::colorize, picture, planar);
  const int want[3] = {76, 150, 29};  // 76.245, 149.685, 29.07
  for (int i = 0; i < 9; ++i) EXPECT_NEAR(planar[i], want[i % 3] / 127.5 - 1, 1e-6) << i;
  // A gray picture is taken as it is, at every level.
  Image gray(256, 1);
  for (int v = 0; v < 256; ++v) set(gray, v, 0, v, v, v);
  std::vector<float> a(768), b(768);
  task_input(Task::colorize, gray, a.data());
  task_input(Task::restore, gray, b.data());
  EXPECT_EQ(a, b);
}

TEST(Tasks, OutputIsClampedAndTruncated) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float planar[12] = {-1, 1, -7, 9, 0, 0.999f, -0.9999f, nan, 0.5f, -0.5f, 0.25f, 1e30f};
  const Image signed_range = task_output(Task::restore, planar, 4, 1);
  // 127.5 becomes 127, 254.87 becomes 254, 0.013 becomes 0, 191.25, 63.75, 159.375.
  const uint8_t want[12] = {0, 127, 191, 255, 254, 63, 0, 0, 159, 255, 0, 255};
  for (int i = 0; i < 12; ++i) EXPECT_EQ(signed_range.rgb[i], want[i]) << i;
  const Image unit = task_output(Task::seg2face, planar, 4, 1);
  const uint8_t want_unit[12] = {0, 0, 127, 255, 254, 0, 0, 0, 63, 255, 0, 255};
  for (int i = 0; i < 12; ++i) EXPECT_EQ(unit.rgb[i], want_unit[i]) << i;
}

TEST(Tasks, EightBitsSurviveTheWayInAndOut) {
  // Truncation may lose one level to rounding, never more.
  Image all(256, 1);
  for (int v = 0; v < 256; ++v) set(all, v, 0, v, 255 - v, v / 2);
  for (Task task : {Task::restore, Task::inpaint, Task::seg2face}) {
    std::vector<float> planar(768);
    task_input(task, all, planar.data());
    const Image back = task_output(task, planar.data(), 256, 1);
    for (size_t k = 0; k < back.rgb.size(); ++k) {
      EXPECT_LE(back.rgb[k], all.rgb[k]);
      EXPECT_GE(back.rgb[k] + 1, all.rgb[k]);
    }
  }
}

TEST(Tasks, ColorizeKeepsTheInputsLumaEverywhere) {
  const Image input = random_picture(40, 30, 1, 0, 255);
  Image picture = random_picture(40, 30, 2, 0, 255);
  finish_task(Task::colorize, input, 0, &picture);
  for (int64_t i = 0; i < picture.pixels(); ++i) EXPECT_NEAR(luma_of(picture, i), luma_of(input, i), 0.5 + 1e-4) << i;
}

TEST(Tasks, ColorizeReplacesLumaInYuvWhereItFits) {
  const Image input = random_picture(40, 30, 3, 110, 140);
  const Image before = random_picture(40, 30, 4, 100, 150);
  Image after = before;
  keep_luma(input, &after);
  for (int64_t i = 0; i < after.pixels(); ++i) {
    const double y = luma_of(input, i), old_y = luma_of(before, i);
    const double u = 0.492 * (before.rgb[3 * i + 2] - old_y), v = 0.877 * (before.rgb[3 * i] - old_y);
    const double r = y + v / 0.877, b = y + u / 0.492, g = (y - 0.299 * r - 0.114 * b) / 0.587;
    EXPECT_NEAR(after.rgb[3 * i], r, 0.5 + 1e-4);
    EXPECT_NEAR(after.rgb[3 * i + 1], g, 0.5 + 1e-4);
    EXPECT_NEAR(after.rgb[3 * i + 2], b, 0.5 + 1e-4);
  }
  Image again = after;
  keep_luma(after, &again);  // its own luma: nothing to do
  EXPECT_EQ(again.rgb, after.rgb);
}

TEST(Tasks, ColorizeLeavesBlackAndWhiteBlackAndWhite) {
  Image input(2, 1), picture(2, 1);
  set(input, 0, 0, 0, 0, 0);
  set(input, 1, 0, 255, 255, 255);
  set(picture, 0, 0, 200, 30, 90);
  set(picture, 1, 0, 200, 30, 90);
  keep_luma(input, &picture);
  EXPECT_EQ(picture.rgb, input.rgb);
}

TEST(Tasks, KnownWeightRisesWithTheDistanceFromHoles) {
  Image input = random_picture(40, 30, 5);
  for (float w : known_weight(input).data) ASSERT_EQ(w, 1);
  set(input, 20, 11, 255, 255, 255);
  set(input, 3, 4, 255, 255, 254);  // not pure white
  const Plane weight = known_weight(input);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) {
      const int distance = std::max(std::abs(x - 20), std::abs(y - 11));
      ASSERT_FLOAT_EQ(weight.data[y * 40 + x], std::min(6, std::max(0, distance - 2)) / 6.0f) << x << " " << y;
    }
}

TEST(Tasks, InpaintDrawsKnownPixelsToTheInputByLambda) {
  Image input = random_picture(64, 48, 6);
  for (int y = 10; y < 20; ++y)
    for (int x = 30; x < 45; ++x) set(input, x, y, 255, 255, 255);
  const Image output = random_picture(64, 48, 7);
  Image published = output, all = output, half = output;
  finish_task(Task::inpaint, input, 0, &published);
  EXPECT_EQ(published.rgb, output.rgb);
  finish_task(Task::inpaint, input, 1, &all);
  finish_task(Task::inpaint, input, 0.5, &half);
  const Plane weight = known_weight(input);
  for (size_t k = 0; k < output.rgb.size(); ++k) {
    const float w = weight.data[k / 3];
    ASSERT_TRUE(w != 0 || all.rgb[k] == output.rgb[k]) << k;
    ASSERT_TRUE(w != 1 || all.rgb[k] == input.rgb[k]) << k;
    ASSERT_NEAR(half.rgb[k], output.rgb[k] + 0.5 * w * (input.rgb[k] - output.rgb[k]), 0.5 + 1e-3);
  }
}

TEST(Tasks, RestoreAndSeg2faceNeedNoFinish) {
  const Image input = random_picture(16, 16, 8), output = random_picture(16, 16, 9);
  for (Task task : {Task::restore, Task::seg2face}) {
    Image picture = output;
    finish_task(task, input, 1, &picture);
    EXPECT_EQ(picture.rgb, output.rgb);
  }
}

TEST(Tasks, ASquareHoldsEveryAspect) {
  for (const auto& [w, h] : {std::pair{1, 1}, {64, 64}, {100, 50}, {50, 100}, {1, 1000}, {1000, 1}, {333, 332}, {7, 5}})
    for (int side : {16, 64, 255, 512}) {
      const Rect r = placed_in_square(w, h, side);
      EXPECT_GE(r.x0, 0);
      EXPECT_GE(r.y0, 0);
      EXPECT_LE(r.x1, side);
      EXPECT_LE(r.y1, side);
      EXPECT_EQ(std::max(r.x1 - r.x0, r.y1 - r.y0), side);
      const double scale = static_cast<double>(side) / std::max(w, h);
      EXPECT_NEAR(r.x1 - r.x0, std::max(1.0, w * scale), 0.5 + 1e-9) << w << "x" << h << " in " << side;
      EXPECT_NEAR(r.y1 - r.y0, std::max(1.0, h * scale), 0.5 + 1e-9) << w << "x" << h << " in " << side;
      EXPECT_LE(std::abs(r.x0 - (side - r.x1)), 1) << "centred";
      EXPECT_LE(std::abs(r.y0 - (side - r.y1)), 1) << "centred";
    }
}

TEST(Tasks, PaddingAndCuttingBackAreExactWithoutResizing) {
  ThreadPool pool(2);
  for (Task task : {Task::restore, Task::colorize, Task::inpaint, Task::seg2face})
    for (const auto& [w, h] : {std::pair{64, 64}, {64, 40}, {37, 64}, {1, 64}}) {
      Image picture = random_picture(w, h, 10);
      set(picture, 0, h / 2, 255, 255, 255);
      const Image square = to_square(task, picture, 64, pool);
      ASSERT_EQ(square.width, 64);
      ASSERT_EQ(square.height, 64);
      const Image back = from_square(square, w, h);
      ASSERT_EQ(back.width, w);
      EXPECT_EQ(back.rgb, picture.rgb) << traits(task).name;
      const Rect r = placed_in_square(w, h, 64);
      for (int k = 0; k < 3; ++k) {  // the edge is repeated
        EXPECT_EQ(square.row(0)[k], picture.row(0)[k]);
        EXPECT_EQ(square.row(63)[3 * 63 + k], picture.row(h - 1)[3 * (w - 1) + k]);
        EXPECT_EQ(square.row(r.y0)[k], picture.row(0)[k]);
      }
    }
}

TEST(Tasks, LabelsAreNotMixed) {
  ThreadPool pool(1);
  Image labels(30, 20);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 30; ++x) set(labels, x, y, x < 13 ? 204 : 51, 0, y < 9 ? 255 : 102);
  for (int side : {16, 64, 512}) {
    const Image square = to_square(Task::seg2face, labels, side, pool);
    for (int64_t i = 0; i < square.pixels(); ++i) {
      const uint8_t* p = square.rgb.data() + 3 * i;
      ASSERT_TRUE((p[0] == 204 || p[0] == 51) && p[1] == 0 && (p[2] == 255 || p[2] == 102)) << side;
    }
    const Image back = from_square(square, 30, 20);
    EXPECT_EQ(back.rgb.front(), 204);
    EXPECT_EQ(back.rgb.back(), 102);
  }
}

TEST(Tasks, ResizedHolesStayPureWhite) {
  ThreadPool pool(1);
  Image input(40, 40);
  for (uint8_t& value : input.rgb) value = 100;
  for (int y = 10; y < 20; ++y)
    for (int x = 10; x < 20; ++x) set(input, x, y, 255, 255, 255);
  for (int side : {32, 64, 100}) {
    const Image square = to_square(Task::inpaint, input, side, pool);
    int64_t holes = 0;
    for (int64_t i = 0; i < square.pixels(); ++i) {
      const uint8_t* p = square.rgb.data() + 3 * i;
      ASSERT_TRUE((p[0] == 100 && p[1] == 100 && p[2] == 100) || (p[0] == 255 && p[1] == 255 && p[2] == 255)) << side;
      holes += p[0] == 255;
    }
    const double edge = 10.0 * side / 40;
    EXPECT_GE(holes, std::floor(edge) * std::floor(edge)) << side;
    EXPECT_LE(holes, (edge + 4) * (edge + 4)) << side;
  }
}

TEST(Tasks, TheCutFollowsALargerSquare) {
  const Image back = from_square(Image(256, 256), 100, 50);  // padded at 128, restored at 256
  EXPECT_EQ(back.width, 256);
  EXPECT_EQ(back.height, 128);
}

}  // namespace
}  // namespace gpen
