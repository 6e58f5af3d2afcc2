// For the tests of the device's picture operations: pictures of arithmetic, going up and coming back.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/gpu_kernels.h"
#include "pipeline/device_picture.h"
#include "support/devices.h"

namespace gpen::test {

using gpu::emulation::Order;

struct Size {
  int width, height;
};
constexpr Size kSizes[] = {{1, 1}, {3, 5}, {17, 33}, {64, 48}};

inline Image random_image(int width, int height, unsigned seed) {
  Image image(width, height);
  std::mt19937 random(seed);
  for (uint8_t& level : image.rgb) level = static_cast<uint8_t>(random());
  return image;
}

inline Plane random_plane(int width, int height, unsigned seed) {
  Plane plane(width, height);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> value(0, 1);
  for (float& v : plane.data) v = value(random);
  return plane;
}

inline Affine similarity(double scale, double angle, double x, double y) {
  Affine a;
  a.m[0] = {scale * std::cos(angle), -scale * std::sin(angle), x};
  a.m[1] = {scale * std::sin(angle), scale * std::cos(angle), y};
  return a;
}

// Bilinear interpolation with zeros around, as the sum of all pixels weighted by tents.
template <class Value>
double tent_sum(int width, int height, Point at, Value value) {
  double sum = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      sum += std::max(0.0, 1 - std::abs(at.x - x)) * std::max(0.0, 1 - std::abs(at.y - y)) * value(x, y);
  return sum;
}

inline std::vector<Affine> affines() {
  Affine squashed, lost;
  squashed.m[0] = {0, 0, 1.25};
  squashed.m[1] = {0, 0, 0.5};
  lost.m[0][2] = std::numeric_limits<double>::quiet_NaN();
  return {Affine(),
          similarity(0.37, 0.4, 2.3, -4.1),
          similarity(1.9, -2.2, 30, 40),
          similarity(0.5, 3, -200, 5),
          similarity(1, 0, -1e300, 1e300),
          squashed,
          lost};
}

// A device, and for the emulation the order of its blocks, warps and lanes.
struct PictureCase {
  std::string device;
  Order order;
};
inline std::vector<PictureCase> picture_cases() {
  std::vector<PictureCase> cases;
  for (const std::string& device : tested_devices()) {
    cases.push_back({device, Order::forward});
    if (device == "emulated") cases.insert(cases.end(), {{device, Order::reversed}, {device, Order::random}});
  }
  return cases;
}
inline std::string name_of(const PictureCase& c) {
  constexpr const char* kOrders[] = {"_forward", "_reversed", "_random"};
  return c.device + (c.device == "emulated" ? kOrders[static_cast<int>(c.order)] : "");
}
inline void PrintTo(const PictureCase& c, std::ostream* out) { *out << name_of(c); }
inline std::string case_name(const testing::TestParamInfo<PictureCase>& info) { return name_of(info.param); }

// INSTANTIATE_TEST_SUITE_P(Device, NAME, testing::ValuesIn(picture_cases()), case_name)
class DevicePictures : public testing::TestWithParam<PictureCase> {
 protected:
  void SetUp() override {
    before_ = gpu::emulation::settings();
    gpu::emulation::settings().order = GetParam().order;
    gpu::emulation::settings().seed = 7;
    std::string why;
    device_ = device_of(GetParam().device, &why);
    if (device_ == nullptr) GTEST_SKIP() << why;
  }
  void TearDown() override {
    gpu::emulation::settings() = before_;
    if (device_ == nullptr) return;
    const Status status = device_->finish();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  DeviceImage on_device(const Image& image) {
    DeviceImage d(device_);
    EXPECT_TRUE(d.upload(image).ok());
    return d;
  }
  DevicePlane on_device(const Plane& plane) {
    DevicePlane d(device_);
    EXPECT_TRUE(d.upload(plane).ok());
    return d;
  }
  DeviceImage new_image(int width, int height) {
    DeviceImage d(device_);
    EXPECT_TRUE(d.set_size(width, height).ok());
    return d;
  }
  DevicePlane new_plane(int width, int height) {
    DevicePlane d(device_);
    EXPECT_TRUE(d.set_size(width, height).ok());
    return d;
  }
  DeviceBuffer new_floats(size_t count) { return DeviceBuffer::make(device_, count * sizeof(float)).value(); }
  DeviceBuffer on_device(const std::vector<float>& v) {
    return DeviceBuffer::copy_of(device_, v.data(), v.size() * sizeof(float)).value();
  }
  static Image back(const DeviceImage& d) {
    Image image;
    const Status status = d.download(&image);
    EXPECT_TRUE(status.ok()) << status.message();
    return image;
  }
  static Plane back(const DevicePlane& d) {
    Plane plane;
    const Status status = d.download(&plane);
    EXPECT_TRUE(status.ok()) << status.message();
    return plane;
  }
  std::vector<float> back(const float* data, size_t count) {
    std::vector<float> v(count);
    device_->download(v.data(), data, count * sizeof(float));
    EXPECT_TRUE(device_->finish().ok());
    return v;
  }
  const PictureKernels& kernels() const { return *device_->kernels().picture; }

  std::shared_ptr<Device> device_;
  ThreadPool pool_{2};

 private:
  gpu::emulation::Settings before_;
};

}  // namespace gpen::test
