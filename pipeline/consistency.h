// Closed-loop consistency (--lambda-id): the restored face, degraded the way the photo degraded it, should look like
// the photo.
//
// From the network's output y_0, with b the response of the estimated blur and w the trust in the input
// (pipeline/degradation.h), for every coefficient of the orthonormal 2-D DCT-II, in which symmetric filters with
// half-sample symmetric borders are diagonal (Strang, SIAM Review 41(1), 1999):
//     y_{k+1} = y_k + lambda * w * lack(y_k),    k = 0 .. kConsistencySteps-1
//     lack(y) = x - b' y, with the b' in [b, 1] that makes it smallest
// This is van Cittert's iteration (Z. Phys. 69, 1931), used as iterative back-projection (Irani & Peleg, CVGIP 53(3),
// 1991) with a Wiener weight as the back-projection filter. The blur is only known to lie between none and the estimate
// (fine texture is taken for blur), so b' is an interval and what the photo allows is one too, from x to x/b:
//     0 <= y/x <= 1 or another sign: too weak,   b' = 1: x - y_K   = (1 - lambda w)^K   (x - y_0)
//     1 <= y/x <= 1/b:               consistent, b' = x/y: nothing changes
//     y/x >= 1/b:                    too strong, b' = b: x - b y_K = (1 - lambda w b)^K (x - b y_0)
// which is how the K steps are computed. It follows, up to rounding, that
// - lambda = 0 leaves y unchanged (here: bit for bit, nothing is computed);
// - a network that returns its input keeps it (y = x is consistent), and so does a perfect restoration (y = x/b);
// - no coefficient of degrade(y) ever moves away from the input's or overshoots it, and what contradicts the photo
// comes
//   closer with larger lambda; so does degrade(y) in every norm that weights frequencies, the Euclidean one included;
// - where w = 0, at and above the cutoff, nothing changes;
// - the correction of a coefficient is at most lambda w K times what was lacking: noise is not blown up.
#pragma once
#include <vector>

#include "kernels/consistency.h"
#include "pipeline/degradation.h"

namespace gpen {

inline constexpr int kConsistencySteps = 4;

// input:  3 x input_size x input_size planar, the crop that fed the network and d was estimated from.
// output: 3 x output_size x output_size planar, the network's output, changed in place; not clamped.
// Both sizes are powers of two, 16 to 4096, output_size >= input_size (larger for FullGenerator_SR: the input then
// takes part with its own frequencies). lambda in [0,1]. The result does not depend on the pool's threads.
// Code::usage for a wrong size or lambda, or when input or output holds a value that is not finite; output is then
// unchanged. Needs scratch of two planar images.
Status enforce_consistency(const float* input, int input_size, float* output, int output_size, double lambda,
                           const Degradation& d, ThreadPool& pool);

// What enforce_consistency() computes from d before it looks at the pictures; a device needs the same.
struct ConsistencyBand {
  int band = 0;                // the coefficients u, v < band take part: 1 .. input_size
  double last = 0;             // their largest radius, in indices; the trust is 0 from there on, except at radius 0
  float scale = 1;             // the same detail has this many times the coefficient in the output as in the input
  std::vector<float> weights;  // trust() at radii 1/16 apart, to be interpolated (kernels/consistency.h)
  std::vector<float> blur;     // band floats: b at coefficient (u, v) is blur[u] * blur[v]

  // For the processor or, with copies of both arrays in its memory, for a device.
  ConsistencyResponse response(double lambda, const float* weights_at, const float* blur_at) const;
};
ConsistencyBand make_band(const Degradation& d, int input_size, int output_size);
// Code::usage for what enforce_consistency() does not take.
Status check_consistency_sizes(int input_size, int output_size);
Status check_consistency_lambda(double lambda);

// Whether no value is infinite or NaN.
bool all_finite(const float* values, int64_t count, ThreadPool& pool);

// B: picture (3 x size x size planar) blurred in place; d in pixels of a crop of crop_size.
Status degrade(float* picture, int size, int crop_size, const Degradation& d, ThreadPool& pool);

}  // namespace gpen
