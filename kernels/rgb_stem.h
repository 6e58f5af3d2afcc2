// rgb_stem: GPEN's ecd0, a 1x1 convolution of the picture that is cheaper to compute anew than to store and read (64
// channels from 3; see RgbStem in conv2d.h).
#pragma once
#include "kernels/conv2d.h"

namespace gpen {

// weight: channels x 3, times scale; bias: channels values. The sqrt2 of fused_lrelu goes into both.
std::vector<float> pack_rgb_stem(int64_t channels, const float* weight, double scale, const float* bias);
// rgb: n x 3 x H x W planar -> pixels [n][H][W][4].
void to_stem_pixels(Exec& exec, const TensorView& rgb, float* pixels);
// The whole tensor, for a device, and for the rare network that needs it stored. y: n x channels x H x W, an activation.
void apply_rgb_stem(Exec& exec, const RgbStem& stem, TensorView y);

}  // namespace gpen
