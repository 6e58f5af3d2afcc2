// The small vector operations of StyleGAN2's mapping network and demodulation.
#pragma once
#include <cstdint>

namespace gpen {

// x /= sqrt(mean of x^2 + 1e-8), for each of n rows of `count` values, `stride` apart.
void pixel_norm(float* x, int64_t n, int64_t count, int64_t stride);
// y = x^2
void square(const float* x, int64_t count, float* y);
// d = 1 / sqrt(d + 1e-8), from the squared norm of the modulated weights to the demodulation factor.
void inverse_sqrt(float* d, int64_t count);

}  // namespace gpen
