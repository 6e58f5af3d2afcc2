// The closed-loop consistency of a face on a device (the formulas and their reasons: pipeline/consistency.h): its
// cosine transform, the correction of the coefficients, and the way back. The correction of one coefficient is the
// processor's, too.
//
//     X[v][u] = sum_{j,i} C[v][j] C[u][i] x[j][i],    C[k][i] = s(k) cos(pi (2i+1) k / 2N),
//                                                     s(0) = sqrt(1/N), else sqrt(2/N)
//
// is the orthonormal two-dimensional DCT-II, here two products with the N x N matrix C; C^T is its inverse. Only the
// band u, v < band takes part.
//
// All pointers below are in the device's memory and aligned to 16 bytes. All functions put work on the device's stream
// and return; errors are noted in the device (Code::internal for sizes that no caller should pass).
#pragma once
#include <cmath>

#include "runtime/device.h"

#ifdef __CUDACC__
#define GPEN_BOTH_SIDES __host__ __device__
#else
#define GPEN_BOTH_SIDES
#endif

namespace gpen {

// Rows and columns of coefficients are stored up to here, so that rows are whole vectors and sums whole steps. A size
// is a multiple of 16 itself, so this never exceeds it.
GPEN_BOTH_SIDES constexpr int padded_band(int band) { return (band + 15) / 16 * 16; }

// Of size x size pictures; size: a multiple of 16, 16 to 4096.
struct CosineTransform {
  int size = 0;
  const float* cosines = nullptr;     // C: size x size, element (k, i) at k * size + i
  const float* transposed = nullptr;  // C^T
};

// What the band's coefficients are corrected by.
struct ConsistencyResponse {
  // The trust w at radius r (in indices of coefficients): interpolated linearly between entries that are 1/16 apart.
  static constexpr int kWeightsPerIndex = 16;
  int band = 0;                    // at least 1
  float last = 0;                  // w = 0 at and beyond this radius, except at r = 0
  float scale = 1;                 // output size / input size: what a coefficient of the input is multiplied by
  float strength = 0;              // lambda
  int steps = 0;                   // K
  const float* weights = nullptr;  // up to the radius of (band - 1, band - 1), and one entry more
  const float* blur = nullptr;     // band floats: b at (u, v) is blur[u] * blur[v]
};

// w at radius r.
GPEN_BOTH_SIDES inline float interpolated_weight(const float* weights, float radius) {
  const float position = radius * ConsistencyResponse::kWeightsPerIndex;
  const int i = static_cast<int>(position);
  const float t = position - static_cast<float>(i);
  return weights[i] + t * (weights[i + 1] - weights[i]);
}

// w (1 + q + ... + q^(K-1)) with q = 1 - w b: K steps of y += w (x - b y) at once, per x - b y_0.
GPEN_BOTH_SIDES inline float steps_gain(float w, float b, int steps) {
  float gain = 0;
  for (int k = 0; k < steps; ++k) gain = gain * (1 - w * b) + w;
  return gain;
}

// How coefficient (u, v) is corrected: the same for all planes.
class CoefficientCorrection {
 public:
  GPEN_BOTH_SIDES CoefficientCorrection(const ConsistencyResponse& r, int u, int v) {
    const float radius = std::sqrt(static_cast<float>(u * u + v * v));
    const float w = radius < r.last || radius == 0 ? r.strength * interpolated_weight(r.weights, radius) : 0.0f;
    b_ = r.blur[u] * r.blur[v];
    weak_gain_ = steps_gain(w, 1, r.steps);
    strong_gain_ = steps_gain(w, b_, r.steps);
  }
  // What y_K - y_0 is. target: the input's coefficient, times the scale; value: y_0.
  GPEN_BOTH_SIDES float operator()(float target, float value) const {
    const float sign = target < 0 ? -1.0f : 1.0f;
    if (sign * value < sign * target) return weak_gain_ * (target - value);
    if (sign * b_ * value > sign * target) return strong_gain_ * (target - b_ * value);
    return 0;
  }

 private:
  float b_, weak_gain_, strong_gain_;
};

// The functions, P = padded_band(band). Coefficients are 3 x P x P planar: element (v, u) of a plane at v * P + u.
struct ConsistencyKernels {
  // C and C^T of this size, computed in double.
  void (*fill_matrices)(Device& device, int size, float* cosines, float* transposed);
  // planes: 3 x size x size. scratch: 3 x P x size floats. Coefficients beyond the band are meaningless.
  void (*forward)(Device& device, const CosineTransform& transform, const float* planes, int band, float* scratch,
                  float* coefficients);
  // output: y_0, becomes the correction y_K - y_0; zeros beyond the band. input: not scaled.
  void (*correct)(Device& device, const ConsistencyResponse& response, const float* input, float* output);
  // planes += the inverse transform of the coefficients, which are zeros beyond the band. scratch: 3 x size x P floats.
  void (*add_inverse)(Device& device, const CosineTransform& transform, const float* coefficients, int band,
                      float* scratch, float* planes);
};

}  // namespace gpen
