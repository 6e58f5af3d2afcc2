// layout: planar pictures in, activations (nchw16c, on a device nhwc), planar results out.
//
// to_blocked:  y[n, c*f*f + dy*f + dx, i, j] = x[n, c, i*f + dy, j*f + dx], f = unshuffle (1: a plain change of layout)
//   x: n x c x h*f x w*f planar;  y: n x c*f*f x h x w, an activation; the zero channels of y's last block are written.
// to_planar:   y[n, c, i, j] = x[n, c, i, j]
//   x: n x c x h x w, an activation (a channel slice will do);  y: the same planar.
// x and y must not overlap. Code::internal, with both shapes, when they do not fit. Nothing is done when exec.dry().
#pragma once
#include "runtime/workspace.h"

namespace gpen {

Status to_blocked(Exec& exec, const TensorView& x, TensorView y, int unshuffle = 1);
Status to_planar(Exec& exec, const TensorView& x, TensorView y);

}  // namespace gpen
