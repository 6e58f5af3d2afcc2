// add_upsampled: y[n,c,i,j] += x[n,c, floor(i*x.h/y.h), floor(j*x.w/y.w)], the nearest-neighbour enlargement of x to
// y's size added in place.
//
//   x: n x c x h x w, y: n x c x H x W with H >= h, W >= w, both activations, not overlapping.
// Code::internal, with both shapes, when they do not fit. Nothing is done when exec.dry().
#pragma once
#include "runtime/workspace.h"

namespace gpen {

Status add_upsampled(Exec& exec, const TensorView& x, TensorView y);

}  // namespace gpen
