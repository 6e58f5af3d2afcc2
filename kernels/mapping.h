// mapping_network: from the encoder's last map to the style vector.
//
//   latent = style_m(... style_1(pixel_norm(final_linear(x)))),  every layer with fused_lrelu (linear.h)
//
// On a device one kernel computes all of it: the layers are too small to be worth launches of their own.
#pragma once
#include "kernels/linear.h"

namespace gpen {

// x: n rows of final_linear.inputs(), contiguous; latent: n rows of `dim`, contiguous, with dim the real number of the
// layers' outputs (and the number of their inputs). Takes its scratch from exec.ws; does nothing else when exec.dry().
void mapping_network(Exec& exec, const LinearWeights& final_linear, std::span<const LinearWeights> style,
                     const float* x, int64_t n, int64_t dim, float* latent);

}  // namespace gpen
