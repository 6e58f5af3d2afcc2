// What is benchmarked is data: one line of a problem file per convolution of a network.
//
//   KIND NAME IN FEATURE OUT SIDE [stem]      (# begins a comment line)
//
// IN channels, FEATURE of them from the encoder; SIDE x SIDE pixels at the input. stem: what comes from the encoder
// (all of the input where FEATURE is 0) is its first layer, computed from the picture on the way (RgbStem in conv2d.h).
// Kinds:
//   conv  3x3, stride 1 (conv2d.h)
//   down  StyleGAN2's downsampling convolution: blur, then 3x3 with stride 2 (conv2d.h, blur_pad = 2)
//   up    StyleGAN2's upsampling convolution: transposed 3x3 with stride 2, then blur (upconv2d.h)
#pragma once
#include <string>
#include <vector>

#include "kernels/conv2d.h"

namespace gpen::bench {

enum class Kind : uint8_t { conv, down, up };
const char* name_of(Kind kind);

struct Problem {
  Kind kind = Kind::conv;
  std::string name;
  int64_t in = 0, feature = 0, out = 0, side = 0;
  bool stem = false;

  int64_t out_side() const { return kind == Kind::down ? side / 2 : kind == Kind::up ? side * 2 : side; }
  // The decoder's layers are modulated and demodulated; the encoder's are not.
  bool styled() const { return kind != Kind::down; }
  ConvGeometry geometry() const;  // not for `up`
};

// Code::io when the file cannot be read, Code::usage with file and line for a line that is no problem.
Result<std::vector<Problem>> read_problems(const std::string& path);

// Multiplications of the plain convolution: one for each tap, input and output channel, and position (of the input
// where the convolution is transposed). Blurs, the stem, transforms and the epilogue are not counted, here and below.
double direct_multiplies(const Problem& p);
// Those an algorithm does, in whole tiles: Winograd F(4x4,3x3) 36 per 4x4 outputs, nested F(3,2) 49 per 3x3 positions.
double true_multiplies(const Problem& p, ConvAlgorithm algorithm);

}  // namespace gpen::bench
