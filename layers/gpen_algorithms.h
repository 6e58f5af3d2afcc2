// Which of the processor's algorithms each convolution of a GPEN takes.
#pragma once
#include "kernels/conv2d.h"

namespace gpen {

// The first resolution with transformed convolutions: their weights are 2.8 (nested F(3,2)) and 4 times (Winograd) as
// large, little where the pictures are large and much where they are small. bf16 is for little memory as well.
struct TransformFrom {
  int conv, up, encoder;
};
inline constexpr TransformFrom kFp32From = {32, 64, 32}, kBf16From = {64, 64, 64};
// Narrow models: weights up to this are transformed from 16 x 16 on.
inline constexpr int kSmallFrom = 16;
inline constexpr int64_t kSmallBytes = int64_t{6} << 20;

inline ConvAlgorithm choose_algorithm(int resolution, int from, int64_t in_channels, int64_t out_channels) {
  const bool small = resolution >= kSmallFrom && in_channels * out_channels * 9 * 4 <= kSmallBytes;
  return resolution >= from || small ? ConvAlgorithm::automatic : ConvAlgorithm::direct;
}

}  // namespace gpen
