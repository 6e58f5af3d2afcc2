#include "kernels/rgb_stem.h"

#include <cmath>

#include "kernels/gpu_kernels.h"
#include "kernels/isa.h"
#include "kernels/isa_kernels.h"

namespace gpen {

std::vector<float> pack_rgb_stem(int64_t channels, const float* weight, double scale, const float* bias) {
  const double gain = std::sqrt(2.0);
  std::vector<float> packed(static_cast<size_t>(ceil_div(channels, kBlock) * 4 * kBlock), 0.f);
  for (int64_t c = 0; c < channels; ++c) {
    float* w = packed.data() + c / kBlock * 4 * kBlock + c % kBlock;
    for (int64_t k = 0; k < 3; ++k) w[k * kBlock] = static_cast<float>(weight[c * 3 + k] * scale * gain);
    w[3 * kBlock] = static_cast<float>(bias[c] * gain);
  }
  return packed;
}

void to_stem_pixels(Exec& exec, const TensorView& rgb, float* pixels) {
  if (exec.device != nullptr) return exec.device->kernels().to_stem_pixels(exec, rgb, pixels);
  if (exec.dry()) return;
  exec.pool.parallel_for(rgb.n * rgb.h, [&](int64_t item, int) {
    const int64_t n = item / rgb.h, y = item % rgb.h;
    const float* row = rgb.image(n) + y * rgb.w;
    float* d = pixels + item * rgb.w * 4;
    for (int64_t x = 0; x < rgb.w; ++x, d += 4) {
      for (int64_t c = 0; c < 3; ++c) d[c] = row[c * rgb.plane() + x];
      d[3] = 0;
    }
  });
}

void apply_rgb_stem(Exec& exec, const RgbStem& stem, TensorView y) {
  if (exec.device != nullptr) return exec.device->kernels().apply_rgb_stem(exec, stem, y);
  if (exec.dry()) return;
  exec.pool.parallel_for(y.n * y.blocks(), [&](int64_t item, int) {
    const int64_t n = item / y.blocks(), b = item % y.blocks();
    PackBlock job{};
    job.src = stem.pixels + n * y.plane() * 4;
    job.stem_weight = stem.weight + b * 4 * kBlock;
    job.h = job.rows = y.h;
    job.w = job.cols = y.w;
    job.dst = y.block(n, b);
    isa_kernels().pack(job);
  });
}

}  // namespace gpen
