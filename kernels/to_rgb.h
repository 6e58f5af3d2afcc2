// to_rgb: the modulated 1x1 convolution to RGB without demodulation, plus bias, plus the enlarged RGB of the level
// below.
//
//   rgb[n,c] = bias[c] + up2(skip[n,c]) + sum over i of W[c,i] * scale * s[n,i] * in(n,i)
//
// in() is x followed by the feature half, as in conv2d.h; up2 is upfirdn2d(up 2, 4*outer([1,3,3,1])/64, pad (2,1)):
// in one direction out[2i] = (x[i-1] + 3 x[i])/4, out[2i+1] = (3 x[i] + x[i+1])/4, zero outside.
#pragma once
#include <vector>

#include "kernels/conv2d.h"
#include "runtime/parameters.h"

namespace gpen {

struct ToRgbWeights {
  int64_t x_channels = 0, feature_channels = 0;
  ParameterVector weight;  // [blocks][3][16], scaled by 1/sqrt(in channels); x blocks first, then feature blocks
  float bias[3] = {0, 0, 0};
  // weight: 3 x (x_channels + feature_channels).
  static Result<ToRgbWeights> pack(int64_t x_channels, int64_t feature_channels, const float* weight, const float* bias,
                                   const Placement& at);
};

// in.in_scale: the style s, [n][16 * blocks]. skip: n x 3 x H/2 x W/2 planar, data null: none. rgb: n x 3 x H x W
// planar.
void to_rgb(Exec& exec, const ToRgbWeights& w, const ConvInput& in, const TensorView& skip, TensorView rgb);

// to_rgb of a convolution's result, given to conv2d with the convolution (ConvEpilogue::rgb): a device may compute both
// in one kernel.
struct RgbOutput {
  const ToRgbWeights* weights = nullptr;
  ConvInput in;  // as for to_rgb; in.x is set to the convolution's y
  TensorView skip, rgb;
  bool only_rgb = false;  // nobody else reads y: what it holds afterwards is undefined
};
void to_rgb_of(Exec& exec, const RgbOutput& output, const TensorView& y);

}  // namespace gpen
