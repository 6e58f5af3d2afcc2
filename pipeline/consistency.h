// Closed-loop consistency (--lambda-id): the restored face, degraded the way the photo degraded it, should look like
// the photo.
//
// From the network's output y_0, with B = the estimated blur and W = the trust in the input (pipeline/degradation.h):
//     y_{k+1} = y_k + step * lambda * W (x - B y_k),    k = 0 .. kConsistencySteps-1,   step = 1
// This is van Cittert's iteration (Z. Phys. 69, 1931), used as iterative back-projection (Irani & Peleg, CVGIP 53(3),
// 1991) with a Wiener weight as the back-projection filter.
//
// B and W are symmetric filters with half-sample symmetric borders, so the orthonormal 2-D DCT-II diagonalises both
// (Strang, SIAM Review 41(1), 1999): coefficient by coefficient, with b, w the responses at its frequency,
//     x - b y_K = (1 - lambda w b)^K (x - b y_0)                                                       (1)
//     y_K = y_0 + lambda w (1 + q + ... + q^(K-1)) (x - b y_0),  q = 1 - lambda w b                    (2)
// (2) is how the K steps are computed. Since 0 <= lambda w b <= 1 it follows from (1), up to rounding, that
// - lambda = 0 leaves y unchanged (here: bit for bit, nothing is computed);
// - every coefficient of degrade(y) comes closer to the input's, never overshoots, and comes closer with larger lambda;
//   so does degrade(y) in every norm that weights frequencies, the plain Euclidean one included;
// - where w = 0, at and above the cutoff, nothing changes;
// - the correction of a coefficient is at most lambda w K times what was lacking: noise is not blown up.
#pragma once
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

// B: picture (3 x size x size planar) blurred in place; d in pixels of a crop of crop_size.
Status degrade(float* picture, int size, int crop_size, const Degradation& d, ThreadPool& pool);

}  // namespace gpen
