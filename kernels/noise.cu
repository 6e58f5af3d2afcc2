#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

// noise.cpp says what these are.
__host__ __device__ __forceinline__ uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

__device__ __forceinline__ float normal(uint64_t key, uint64_t index) {
  const uint64_t a = mix(key + (2 * index + 1) * 0x9e3779b97f4a7c15ull);
  const uint64_t b = mix(key + (2 * index + 2) * 0x9e3779b97f4a7c15ull);
  const double u = (static_cast<double>(a >> 11) + 1) * 0x1p-53, v = static_cast<double>(b >> 11) * 0x1p-53;
  return static_cast<float>(sqrt(-2 * log(u)) * cospi(2 * v));
}

template <class T>
__global__ void __launch_bounds__(kRowThreads) noise_kernel(const Activation<T> t, uint64_t key, int channels) {
  const RowPlace at = row_place(t);
  if (!at.inside) return;
  const int64_t plane = static_cast<int64_t>(t.h) * t.w, pixel = static_cast<int64_t>(at.y) * t.w + at.x;
  T* const to = t.at(at.n, at.y, at.x, at.vector);
#pragma unroll 1  // Arithmetic in double is the time here, not the stores; unrolled it would not fit the cache for
                  // code.
  for (int i = 0; i < kVectorWidth<T>; ++i) {
    const int channel = at.vector * kVectorWidth<T> + i;
    to[i] = gpu::from_float<T>(channel < channels ? normal(key, static_cast<uint64_t>(channel * plane + pixel)) : 0.f);
  }
}

}  // namespace

void fill_normal_noise(Exec& exec, uint64_t seed, uint64_t layer, TensorView t) {
  if (exec.dry()) return;
  const uint64_t key = mix(mix(seed + 1) + layer);
  with_type(t.type, [&](auto zero) {
    using T = decltype(zero);
    const Activation<T> out = activation_of<T>(t);
    gpu::launch(*exec.device, "fill_normal_noise", noise_kernel<T>, row_blocks(out, t.n), kRowThreads, 0, out, key,
                static_cast<int>(t.c));
  });
}

}  // namespace gpen::GPEN_GPU_NS
