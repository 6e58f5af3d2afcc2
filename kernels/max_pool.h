// max_pool: y[n,c,i,j] = the largest x[n,c, i*stride + ky - pad, j*stride + kx - pad] with 0 <= ky, kx < kernel that
// lies inside the picture; NaN when one of them is NaN.
//
//   x: n x c x h x w, y: n x c x ((h + 2*pad - kernel)/stride + 1) x (... w ...), both activations, not overlapping.
//   0 <= pad < kernel, so that no window is empty.
// Code::internal, with both shapes, when they do not fit. Nothing is done when exec.dry().
#pragma once
#include "runtime/workspace.h"

namespace gpen {

Status max_pool(Exec& exec, const TensorView& x, int kernel, int stride, int pad, TensorView y);

}  // namespace gpen
