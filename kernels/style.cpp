#include "kernels/style.h"

#include <cmath>

namespace gpen {

void pixel_norm(float* x, int64_t n, int64_t count, int64_t stride) {
  for (int64_t i = 0; i < n; ++i) {
    float* row = x + i * stride;
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += static_cast<double>(row[k]) * row[k];
    const float scale = static_cast<float>(1 / std::sqrt(sum / static_cast<double>(count) + 1e-8));
    for (int64_t k = 0; k < count; ++k) row[k] *= scale;
  }
}

void square(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * x[i];
}

void inverse_sqrt(float* d, int64_t count) {
  for (int64_t i = 0; i < count; ++i) d[i] = 1.f / std::sqrt(d[i] + 1e-8f);
}

}  // namespace gpen
