#include "kernels/noise.h"

#include <cmath>

#include "kernels/gpu_kernels.h"

namespace gpen {

namespace {

// splitmix64's finaliser (Steele, Lea and Flood 2014).
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Box-Muller on two hashes of the index.
float normal(uint64_t key, uint64_t index) {
  const uint64_t a = mix(key + (2 * index + 1) * 0x9e3779b97f4a7c15ull);
  const uint64_t b = mix(key + (2 * index + 2) * 0x9e3779b97f4a7c15ull);
  const double u = (static_cast<double>(a >> 11) + 1) * 0x1p-53, v = static_cast<double>(b >> 11) * 0x1p-53;
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
}

}  // namespace

void fill_normal_noise(Exec& exec, uint64_t seed, uint64_t layer, TensorView t) {
  if (exec.device != nullptr) return exec.device->kernels().fill_normal_noise(exec, seed, layer, t);
  if (exec.dry()) return;
  const uint64_t key = mix(mix(seed + 1) + layer);
  exec.pool.parallel_for(t.n * t.blocks(), [&](int64_t item, int) {
    const int64_t n = item / t.blocks(), b = item % t.blocks();
    float* d = t.block(n, b);
    for (int64_t p = 0; p < t.plane(); ++p)
      for (int64_t k = 0; k < kBlock; ++k) {
        const int64_t c = b * kBlock + k;
        d[p * kBlock + k] = c < t.c ? normal(key, static_cast<uint64_t>(c * t.plane() + p)) : 0.f;
      }
  });
}

}  // namespace gpen
