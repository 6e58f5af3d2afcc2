// The measurements of the degradation on a device: each step beside the same in plain words on the processor, and the
// whole estimate beside the processor's, in any order of blocks, warps and lanes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pipeline/device_degradation.h"
#include "support/device_pictures.h"
#include "support/natural_picture.h"

namespace gpen {
namespace {

using namespace test;

class GpuDegradation : public DevicePictures {
 protected:
  std::vector<float> random_floats(size_t count, unsigned seed) {
    std::vector<float> values(count);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& v : values) v = normal(random);
    return values;
  }
  const DegradationKernels& degradation() const { return kernels().degradation; }
  std::vector<double> back_doubles(const DeviceBuffer& from, size_t count) {
    std::vector<double> v(count);
    device_->download(v.data(), from.data(), count * sizeof(double));
    EXPECT_TRUE(device_->finish().ok());
    return v;
  }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuDegradation, testing::ValuesIn(picture_cases()), case_name);

TEST_P(GpuDegradation, WindowsAreTheMiddle) {
  for (const auto& [size, window] : {std::pair<size_t, size_t>{16, 16}, {64, 32}, {48, 16}}) {
    const std::vector<float> planes = random_floats(3 * size * size, 1);
    const DeviceBuffer there = on_device(planes), plain = new_floats(3 * window * window),
                       weighted = new_floats(3 * window * window);
    degradation().cut_windows(*device_, there.floats(), static_cast<int>(size), static_cast<int>(window),
                              plain.floats(), weighted.floats());
    const std::vector<float> got = back(plain.floats(), 3 * window * window);
    const std::vector<float> got_weighted = back(weighted.floats(), got.size());
    const auto hann = [n = window](size_t i) {
      return std::pow(std::sin(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(n)), 2);
    };
    const size_t offset = (size - window) / 2;
    for (size_t c = 0; c < 3; ++c)
      for (size_t y = 0; y < window; ++y)
        for (size_t x = 0; x < window; ++x) {
          const float v = planes[(c * size + offset + y) * size + offset + x];
          const size_t at = (c * window + y) * window + x;
          ASSERT_EQ(got[at], v);
          ASSERT_NEAR(got_weighted[at], v * hann(x) * hann(y), 1e-6 * std::abs(v));
        }
  }
}

TEST_P(GpuDegradation, TheDetailIsTheCoefficientsBetweenTwoRadii) {
  for (const int band : {1, 15, 16, 40}) {
    const int stored = padded_band(band);
    const std::vector<float> before = random_floats(static_cast<size_t>(3 * stored * stored), 2);
    for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 5000}, {9, 200}, {3, 2}}) {
      const DeviceBuffer there = on_device(before);
      degradation().keep_detail(*device_, band, first, last, there.floats());
      std::vector<float> expected = before;
      for (int c = 0; c < 3; ++c)
        for (int v = 0; v < stored; ++v)
          for (int u = 0; u < stored; ++u) {
            const int64_t square = u * u + v * v;
            if (u >= band || v >= band || square < first || square > last)
              expected[static_cast<size_t>((c * stored + v) * stored + u)] = 0;
          }
      EXPECT_EQ(back(there.floats(), before.size()), expected) << band << " " << first << " " << last;
    }
  }
}

TEST_P(GpuDegradation, MediansAreExact) {
  for (const auto& [window, margin] : {std::pair<size_t, size_t>{16, 2}, {64, 8}, {32, 0}, {16, 7}}) {
    const size_t plane = window * window;
    std::vector<float> values = random_floats(3 * plane, 3);
    for (size_t k = 0; k < plane; ++k) values[plane + k] = k % 3 == 0 ? -0.0f : 0.25f;  // ties
    for (size_t k = 0; k < plane; ++k)                                                  // of all magnitudes
      values[2 * plane + k] = std::ldexp(values[2 * plane + k], static_cast<int>(k % 260) - 145);
    const DeviceBuffer there = on_device(values);
    const DeviceBuffer result = DeviceBuffer::make(device_, 3 * sizeof(double)).value();
    degradation().medians(*device_, there.floats(), static_cast<int>(window), static_cast<int>(margin),
                          static_cast<double*>(result.data()));
    const std::vector<double> got = back_doubles(result, 3);
    for (size_t c = 0; c < 3; ++c) {
      std::vector<float> magnitudes;
      for (size_t y = margin; y < window - margin; ++y)
        for (size_t x = margin; x < window - margin; ++x)
          magnitudes.push_back(std::abs(values[c * plane + y * window + x]));
      std::sort(magnitudes.begin(), magnitudes.end());
      EXPECT_EQ(got[c], magnitudes[magnitudes.size() / 2]) << window << " " << margin << " " << c;
    }
  }
}

TEST_P(GpuDegradation, RingsHoldWhatIsNearest) {
  for (const size_t window : {size_t{16}, size_t{48}, size_t{128}}) {
    const std::vector<float> coefficients = random_floats(3 * window * window, 4);
    const DeviceBuffer there = on_device(coefficients);
    const DeviceBuffer result = DeviceBuffer::make(device_, window * sizeof(double)).value();
    degradation().ring_sums(*device_, there.floats(), static_cast<int>(window), static_cast<double*>(result.data()));
    std::vector<double> expected(window);
    for (size_t k = 0; k < coefficients.size(); ++k) {
      const auto u = static_cast<double>(k % window), v = static_cast<double>(k / window % window);
      const auto ring = static_cast<size_t>(std::lround(std::sqrt(u * u + v * v)));
      if (ring < window) expected[ring] += double{coefficients[k]} * coefficients[k];
    }
    const std::vector<double> got = back_doubles(result, window);
    for (size_t r = 0; r < window; ++r) EXPECT_NEAR(got[r], expected[r], 1e-12 * expected[r]) << window << " " << r;
  }
}

struct Known {
  int size;
  double blur, noise, scale;
};

// Several faces of one size, one after the other in the same memory.
TEST_P(GpuDegradation, TheEstimateIsTheProcessors) {
  for (const int size : {16, 64, 128, 256}) {
    if (size == 256 && GetParam().order != Order::forward) continue;  // slow in the emulation
    std::vector<Known> cases = {{size, 1.2, 0.03, 1}, {size, 2, 0, 0.3}, {size, 0.5, 0.1, 1.7}, {size, 0, 0.02, 0.05}};
    auto there = DeviceDegradation::make(device_, size);
    ASSERT_TRUE(there.ok()) << there.status().message();
    ASSERT_TRUE(there->reserve(cases.size()).ok());
    std::vector<Degradation> expected;
    std::vector<DeviceBuffer> crops;  // alive until the numbers have been read
    for (size_t i = 0; i < cases.size(); ++i) {
      std::vector<float> crop = natural_picture(size, 2.2, cases[i].blur, cases[i].noise, 100, pool_);
      for (float& v : crop) v += 0.2f;
      expected.push_back(estimate_degradation(crop.data(), size, cases[i].scale, pool_).value());
      crops.push_back(on_device(crop));
      ASSERT_TRUE(there->measure(i, crops.back().floats(), cases[i].scale).ok());
    }
    const size_t down = device_->traffic().down;
    const auto measures = there->read(cases.size());
    ASSERT_TRUE(measures.ok()) << measures.status().message();
    EXPECT_EQ(device_->traffic().down - down,
              cases.size() * static_cast<size_t>(degradation_window(size) + 3) * sizeof(double));
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(concat(size, " pixels, scale ", cases[i].scale));
      const Degradation got = fit_degradation((*measures)[i], size, cases[i].scale);
      EXPECT_NEAR(got.noise_sigma, expected[i].noise_sigma, 1e-4 * expected[i].noise_sigma + 1e-7);
      EXPECT_NEAR(got.blur_sigma, expected[i].blur_sigma, 1e-3 * expected[i].blur_sigma + 1e-4);
      EXPECT_NEAR(got.cutoff, expected[i].cutoff, 2.0 / 8192) << "two steps of the search";
      for (double f = 0.02; f < 0.5; f += 0.02)
        if (std::abs(f - expected[i].cutoff) > 1e-3) {
          EXPECT_NEAR(trust(got, f), trust(expected[i], f), 2e-3) << f;
        }
    }
  }
}

TEST_P(GpuDegradation, RefusesWhatMakesNoSense) {
  for (const int size : {0, 8, 30, 8192})
    EXPECT_EQ(DeviceDegradation::make(device_, size).status().code(), Code::usage);
  auto there = DeviceDegradation::make(device_, 16);
  ASSERT_TRUE(there.ok());
  const DeviceBuffer crop = on_device(std::vector<float>(3 * 16 * 16));
  EXPECT_EQ(there->measure(0, crop.floats(), 1).code(), Code::internal);  // no room
  ASSERT_TRUE(there->reserve(1).ok());
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(there->measure(0, crop.floats(), scale).code(), Code::usage);
  const DeviceBuffer numbers = DeviceBuffer::make(device_, 64 * sizeof(double)).value();
  auto* const doubles = static_cast<double*>(numbers.data());
  degradation().medians(*device_, crop.floats(), 16, 8, doubles);
  EXPECT_EQ(device_->finish().code(), Code::internal);
  degradation().ring_sums(*device_, crop.floats(), 20, doubles);
  EXPECT_EQ(device_->finish().code(), Code::internal);
  degradation().keep_detail(*device_, 0, 0, 1, crop.floats());
  EXPECT_EQ(device_->finish().code(), Code::internal);
}

}  // namespace
}  // namespace gpen
