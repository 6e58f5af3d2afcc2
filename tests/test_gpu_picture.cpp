// Sampling and network input on a device: the processor's numbers, and near the formulas computed in double.
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/detection.h"
#include "pipeline/paste.h"
#include "support/device_pictures.h"

namespace gpen {
namespace {

using namespace test;

class PictureSampling : public DevicePictures {};
INSTANTIATE_TEST_SUITE_P(Device, PictureSampling, testing::ValuesIn(picture_cases()), case_name);

TEST_P(PictureSampling, GoUpAndComeBack) {
  Image image = random_image(17, 33, 1), other(2, 2);
  other.alpha = {1, 2, 3, 4};
  ASSERT_TRUE(on_device(image).download(&other).ok());
  EXPECT_EQ(other.rgb, image.rgb);
  EXPECT_EQ(other.width, 17);
  EXPECT_EQ(other.height, 33);
  EXPECT_EQ(other.alpha, (std::vector<uint8_t>{1, 2, 3, 4}));
  const Plane plane = random_plane(5, 3, 2);
  EXPECT_EQ(back(on_device(plane)).data, plane.data);
}

TEST_P(PictureSampling, MemoryIsKeptWhileItIsLargeEnough) {
  DevicePlane plane = new_plane(20, 10);
  const float* const memory = plane.data();
  ASSERT_TRUE(plane.set_size(10, 19).ok());
  EXPECT_EQ(plane.data(), memory);
  EXPECT_EQ(plane.elements(), 190u);
  ASSERT_TRUE(plane.set_size(21, 10).ok());
  EXPECT_EQ(plane.elements(), 210u);
  EXPECT_EQ(plane.set_size(1 << 20, 1 << 20).code(), Code::memory);
}

TEST_P(PictureSampling, ResizeGivesTheProcessorsNumbers) {
  for (const Size from : kSizes) {
    const Image image = random_image(from.width, from.height, 3);
    const Plane plane = random_plane(from.width, from.height, 4);
    const DeviceImage d_image = on_device(image);
    const DevicePlane d_plane = on_device(plane);
    for (const Size to : {Size{1, 1}, Size{5, 3}, Size{33, 17}, Size{64, 48}, Size{40, 70}})
      for (const double step : {0.0, 0.73, 1.6}) {
        SCOPED_TRACE(concat(from.width, "x", from.height, " to ", to.width, "x", to.height, " by ", step));
        const double step_y = step > 0 ? step + 0.1 : 0;
        Image expected(to.width, to.height);
        resize_bilinear<uint8_t, uint8_t>(view(image), view(expected), pool_, step, step_y);
        DeviceImage out = new_image(to.width, to.height);
        resize_bilinear(d_image, &out, step, step_y);
        EXPECT_EQ(back(out).rgb, expected.rgb);

        Plane expected_plane(to.width, to.height);
        resize_bilinear<float, float>(view(plane), view(expected_plane), pool_, step, step_y);
        DevicePlane out_plane = new_plane(to.width, to.height);
        resize_bilinear(d_plane, &out_plane, step, step_y);
        EXPECT_EQ(back(out_plane).data, expected_plane.data);
      }
  }
}

TEST_P(PictureSampling, ResizeOfBytesToFloatsAndOfAlpha) {
  const Image image = random_image(17, 33, 5);
  std::vector<float> expected(3 * 40 * 21);
  resize_bilinear<uint8_t, float>(view(image), {expected.data(), 40, 21, 3}, pool_);
  const DeviceBuffer out = new_floats(expected.size());
  kernels().resize_bytes_to_floats(*device_, on_device(image).pixels(), {out.floats(), 40, 21, 3}, 0, 0);
  EXPECT_EQ(back(out.floats(), expected.size()), expected);

  // The same bytes as one channel, three times as wide.
  std::vector<uint8_t> expected_alpha(7 * 50), alpha(expected_alpha.size());
  resize_bilinear<uint8_t, uint8_t>({image.rgb.data(), 51, 33, 1}, {expected_alpha.data(), 7, 50, 1}, pool_);
  const DeviceBuffer d_alpha = DeviceBuffer::make(device_, alpha.size()).value();
  const DeviceImage source = on_device(image);
  kernels().resize_bytes(*device_, {source.data(), 51, 33, 1}, {static_cast<uint8_t*>(d_alpha.data()), 7, 50, 1}, 0, 0);
  device_->download(alpha.data(), d_alpha.data(), alpha.size());
  EXPECT_EQ(alpha, expected_alpha);
}

TEST_P(PictureSampling, ResizeFollowsTheFormula) {
  const Plane plane = random_plane(17, 33, 6);
  const DevicePlane source = on_device(plane);
  DevicePlane out = new_plane(29, 20);
  resize_bilinear(source, &out);
  const Plane result = back(out);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 29; ++x) {
      const Point at{std::clamp((x + 0.5) * 17 / 29 - 0.5, 0.0, 16.0),
                     std::clamp((y + 0.5) * 33 / 20 - 0.5, 0.0, 32.0)};
      const double expected =
          tent_sum(17, 33, at, [&](int u, int v) { return plane.data[static_cast<size_t>(v * 17 + u)]; });
      EXPECT_NEAR(result.data[static_cast<size_t>(y * 29 + x)], expected, 1e-6) << x << " " << y;
    }
}

TEST_P(PictureSampling, WarpGivesTheProcessorsNumbersAndFollowsTheFormula) {
  for (const Size from : kSizes) {
    const Image image = random_image(from.width, from.height, 8);
    const Plane plane = random_plane(from.width, from.height, 9);
    const DeviceImage d_image = on_device(image);
    const DevicePlane d_plane = on_device(plane);
    for (const Size to : {Size{1, 1}, Size{16, 16}, Size{35, 9}}) {
      const std::vector<Affine> cases = affines();
      for (size_t k = 0; k < cases.size(); ++k) {
        SCOPED_TRACE(concat(from.width, "x", from.height, " to ", to.width, "x", to.height, ", case ", k));
        Image expected(to.width, to.height);
        warp_affine<uint8_t, uint8_t>(view(image), cases[k], view(expected), pool_);
        DeviceImage out = new_image(to.width, to.height);
        warp_affine(d_image, cases[k], &out);
        const Image result = back(out);
        EXPECT_EQ(result.rgb, expected.rgb);

        Plane expected_plane(to.width, to.height);
        warp_affine<float, float>(view(plane), cases[k], view(expected_plane), pool_);
        DevicePlane out_plane = new_plane(to.width, to.height);
        warp_affine(d_plane, cases[k], &out_plane);
        EXPECT_EQ(back(out_plane).data, expected_plane.data);

        for (int y = 0; y < to.height; y += 3)
          for (int x = 0; x < to.width; x += 5) {
            const Point at = cases[k]({static_cast<double>(x), static_cast<double>(y)});
            const double level = std::isnan(at.x) ? 0 : tent_sum(from.width, from.height, at, [&](int u, int v) {
              return image.row(v)[3 * u + 1];
            });
            EXPECT_NEAR(result.row(y)[3 * x + 1], level, 0.5001) << x << " " << y;
          }
      }
    }
  }
}

TEST_P(PictureSampling, BlurGivesTheProcessorsNumbersAndFollowsTheFormula) {
  for (const Size size : {Size{1, 1}, Size{3, 5}, Size{17, 33}, Size{64, 48}, Size{131, 70}})
    for (const double sigma : {0.8, 4.0, 9.0}) {
      SCOPED_TRACE(concat(size.width, "x", size.height, ", sigma ", sigma));
      const int taps = 101;
      const Plane plane = random_plane(size.width, size.height, 10);
      Plane expected = plane;
      gaussian_blur(&expected, taps, sigma, pool_);
      DevicePlane d_plane = on_device(plane), scratch(device_);
      ASSERT_TRUE(gaussian_blur(&d_plane, taps, sigma, &scratch).ok());
      const Plane result = back(d_plane);
      EXPECT_EQ(result.data, expected.data);

      double sum = 0;
      const auto g = [&](int i) { return std::abs(i) > taps / 2 ? 0.0 : std::exp(-i * i / (2 * sigma * sigma)); };
      for (int i = -taps; i <= taps; ++i) sum += g(i);
      for (int y = 0; y < size.height; y += 7)
        for (int x = 0; x < size.width; x += 9) {
          double value = 0;
          for (int v = 0; v < size.height; ++v)
            for (int u = 0; u < size.width; ++u)
              value += g(u - x) * g(v - y) * plane.data[static_cast<size_t>(v * size.width + u)];
          EXPECT_NEAR(result.data[static_cast<size_t>(y * size.width + x)], value / (sum * sum), 2e-6) << x << " " << y;
        }
    }
}

TEST_P(PictureSampling, BlurTooWideIsAnError) {
  DevicePlane plane = on_device(random_plane(8, 8, 1)), scratch(device_);
  EXPECT_EQ(gaussian_blur(&plane, 1001, 60, &scratch).code(), Code::internal);
  kernels().blur(*device_, plane.pixels(), BlurTaps{.reach = 64}, 0, plane.data(), plane.data());
  EXPECT_EQ(device_->finish().code(), Code::internal);
}

TEST_P(PictureSampling, SmoothGivesTheProcessorsBytes) {
  for (const Size size : kSizes) {
    const Image image = random_image(size.width, size.height, 11);
    Image expected(size.width, size.height);
    smooth_121(view(image), view(expected), pool_);
    DeviceImage out = new_image(size.width, size.height);
    smooth_121(on_device(image), &out);
    EXPECT_EQ(back(out).rgb, expected.rgb) << size.width << "x" << size.height;
  }
}

TEST_P(PictureSampling, BlendGivesTheProcessorsBytesAndFollowsTheFormula) {
  const Image a = random_image(64, 48, 12), b = random_image(64, 48, 13);
  DeviceImage restored = on_device(a), crop = on_device(b), out = new_image(64, 48);
  for (const double alpha : {0.0, 0.3, 0.5, 0.8, 1.0}) {
    std::vector<uint8_t> expected(a.rgb.size());
    blend(a.rgb, b.rgb, alpha, expected);
    blend(restored, crop, alpha, &out);
    const Image result = back(out);
    EXPECT_EQ(result.rgb, expected) << alpha;
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(result.rgb[i], a.rgb[i] * alpha + b.rgb[i] * (1 - alpha), 0.5001) << i;
  }
  blend(restored, crop, 0.3, &restored);
  blend(on_device(a), crop, 0.3, &out);
  EXPECT_EQ(back(restored).rgb, back(out).rgb);
}

TEST_P(PictureSampling, DetectorInputIsTheProcessors) {
  for (const Size size : kSizes)
    for (const double scale : {1.0, 0.61, 1000.0 / 1620}) {
      const Image photo = random_image(size.width, size.height, 14);
      const DetectorInput expected = prepare_detector_input(photo, scale, pool_);
      Result<DeviceDetectorInput> input = prepare_detector_input(on_device(photo), scale);
      ASSERT_TRUE(input.ok());
      ASSERT_EQ(input->width, expected.width);
      ASSERT_EQ(input->height, expected.height);
      EXPECT_EQ(back(input->data.floats(), expected.data.size()), expected.data) << size.width << " " << scale;
    }
}

TEST_P(PictureSampling, NetworkInputAndOutputAreTheProcessors) {
  const Image picture = random_image(33, 17, 15);
  const size_t floats = picture.rgb.size();
  std::vector<float> answer(floats), expected(floats);
  std::mt19937 random(16);
  std::uniform_real_distribution<float> value(-1.6f, 1.6f);
  for (float& v : answer) v = value(random);
  answer[0] = std::numeric_limits<float>::quiet_NaN();
  answer[1] = std::numeric_limits<float>::infinity();
  answer[2] = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < 256; ++i) answer[3 + i] = (static_cast<float>(i) / 255.0f - 0.5f) / 0.5f;
  const DeviceImage d_picture = on_device(picture);
  const DeviceBuffer d_answer = on_device(answer), planar = new_floats(floats);
  for (const Task task : {Task::restore, Task::colorize, Task::inpaint, Task::seg2face}) {
    SCOPED_TRACE(traits(task).name);
    task_input(task, picture, expected.data());
    task_input(task, d_picture, planar.floats());
    EXPECT_EQ(back(planar.floats(), floats), expected);
    DeviceImage out = new_image(33, 17);
    task_output(task, d_answer.floats(), &out);
    EXPECT_EQ(back(out).rgb, task_output(task, answer.data(), 33, 17).rgb);
  }
}

TEST_P(PictureSampling, UpscalersInputAndOutput) {
  const Image picture = random_image(17, 33, 17);
  const size_t floats = picture.rgb.size(), plane = floats / 3;
  const DeviceBuffer planar = new_floats(floats);
  to_unit_planes(on_device(picture), planar.floats());
  std::vector<float> planes = back(planar.floats(), floats);
  for (size_t i = 0; i < floats; ++i)
    ASSERT_EQ(planes[i % 3 * plane + i / 3], static_cast<float>(picture.rgb[i]) / 255.0f) << i;
  DeviceImage out = new_image(17, 33);
  from_unit_planes(planar.floats(), &out);
  EXPECT_EQ(back(out).rgb, picture.rgb);

  planes = {-0.1f, 1.1f, 0.5f, 100.49f / 255, 100.51f / 255, 0};
  out = new_image(2, 1);
  from_unit_planes(on_device(planes).floats(), &out);
  EXPECT_EQ(back(out).rgb, (std::vector<uint8_t>{0, 128, 101, 255, 100, 0}));
}

TEST_P(PictureSampling, ParserInputIsTheResizedFace) {
  const Image face = random_image(33, 33, 18);
  for (const int side : {16, 33, 70}) {
    std::vector<float> resized(static_cast<size_t>(3 * side * side));
    resize_bilinear(view(face), Pixels<float>{resized.data(), side, side, 3}, pool_);
    const DeviceBuffer planar = new_floats(resized.size());
    parser_input(on_device(face), side, planar.floats());
    const std::vector<float> input = back(planar.floats(), resized.size());
    const size_t plane = resized.size() / 3;
    for (size_t i = 0; i < resized.size(); ++i)
      ASSERT_EQ(input[i % 3 * plane + i / 3], (resized[i] / 255.0f - 0.5f) / 0.5f) << side << " " << i;
  }
}

TEST_P(PictureSampling, NotFiniteValuesAreFound) {
  constexpr float kOdd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
  for (const size_t count : {size_t{1}, size_t{255}, size_t{100'003}}) {
    std::vector<float> values(count, std::numeric_limits<float>::max());
    EXPECT_TRUE(all_finite(device_, on_device(values).floats(), static_cast<int64_t>(count)).value());
    for (const float odd : kOdd)
      for (const size_t at : {size_t{0}, count / 2, count - 1}) {
        values[at] = odd;
        EXPECT_FALSE(all_finite(device_, on_device(values).floats(), static_cast<int64_t>(count)).value()) << at;
        values[at] = -1;
      }
  }
}

}  // namespace
}  // namespace gpen
