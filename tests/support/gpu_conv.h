// What the tests of a device's convolutions share: precisions, plans, and how far an answer may be off.
#pragma once
#include <cmath>

#include "kernels/conv_gemm.h"
#include "support/conv_cases.h"
#include "support/devices.h"

namespace gpen::test {

inline constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                            Precision::fp16_fast};

// Restores the free choice of plans.
struct ForcedPlan {
  explicit ForcedPlan(ConvPlan plan) { force_conv_plan(plan); }
  ~ForcedPlan() { force_conv_plan(std::nullopt); }
};

inline double relative_rms(const Tensor& right, const Tensor& actual) {
  double error = 0, whole = 0;
  for (size_t i = 0; i < right.v.size(); ++i) {
    if (!std::isfinite(actual.v[i])) return INFINITY;
    error += (actual.v[i] - right.v[i]) * (actual.v[i] - right.v[i]);
    whole += right.v[i] * right.v[i];
  }
  return std::sqrt(error / whole);
}
// Of random values in [-1, 1]: what rounding inputs, weights and scaled weights, and the result, makes.
inline double tolerance_of(Precision p) {
  switch (p) {
    case Precision::fp32:
      return 1e-6;
    case Precision::tf32:
      return 6e-4;
    case Precision::fp16:
      return 8e-4;
    case Precision::fp16_fast:
      return 1.6e-3;
    case Precision::bf16:
      return 6e-3;
  }
  return 0;
}

}  // namespace gpen::test
