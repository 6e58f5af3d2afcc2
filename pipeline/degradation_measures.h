// The estimate of the degradation (degradation.h) in two parts: what is measured on the pixels, here or on a device
// (device_degradation.h), and what follows from those few numbers.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "pipeline/degradation.h"

namespace gpen {

// Looked at is the crop's central half; crops below 256 pixels are used whole.
constexpr int degradation_window(int crop_size) { return crop_size >= 256 ? crop_size / 2 : crop_size; }

// The coefficients (u, v) of the window whose pixels are the detail: u, v < band, first <= u^2 + v^2 <= last.
struct DetailBand {
  int band = 0;
  int64_t first = 0, last = -1;
};
DetailBand detail_band(int window, double face_scale);

struct DegradationMeasures {
  // Of each channel: the median of |d| over the detail's pixels, the window's outer eighth left out on every side.
  std::array<double, 3> detail_median{};
  // Of the window under a Hann window: the sum of X^2 over the channels and the coefficients of ring r, which are those
  // nearest to the radius r; for r < window. Rings 0 to 3, in which the pixels' mean is, are not looked at.
  std::vector<double> ring_sums;
};

// Code::usage as estimate_degradation(), but for the pixels.
Status check_degradation(int crop_size, double face_scale);
Degradation fit_degradation(const DegradationMeasures& measures, int crop_size, double face_scale);

}  // namespace gpen
