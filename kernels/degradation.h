// What the estimate of a face's degradation measures on its pixels, on a device (pipeline/degradation.h: the formulas;
// pipeline/degradation_measures.h: the numbers).
//
// All pointers are in the device's memory. All functions put work on the device's stream and return; errors are noted
// in the device (Code::internal for sizes that no caller should pass). `window`: a multiple of 16, 16 to 2048.
#pragma once
#include <cstdint>

#include "runtime/device.h"

namespace gpen {

struct DegradationKernels {
  // The middle of 3 x size x size planes, 3 x window x window: as it is, and times sin^2(pi (i + 1/2) / window) on both
  // axes.
  void (*cut_windows)(Device& device, const float* planes, int size, int window, float* plain, float* weighted);
  // Of coefficients as in kernels/consistency.h, 3 x P x P with P = padded_band(band), those stay that have u, v < band
  // and first <= u^2 + v^2 <= last; the others become 0.
  void (*keep_detail)(Device& device, int band, int64_t first, int64_t last, float* coefficients);
  // medians[c]: the value of rank count / 2 (from 0) of the |v| of plane c without `margin` pixels on each side.
  void (*medians)(Device& device, const float* planes, int window, int margin, double* medians);
  // sums[r], r < window: the sum of X^2 over the three planes of coefficients and all (u, v) whose radius is nearest to
  // r. Every sum is formed in the same order in every run.
  void (*ring_sums)(Device& device, const float* coefficients, int window, double* sums);
};

}  // namespace gpen
