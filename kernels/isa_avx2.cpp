// AVX2 + FMA: 6 pixels x 16 channels in 12 of the 16 registers.
#include "kernels/isa_kernels.h"

#if defined(GPEN_HAVE_AVX2)
#include <immintrin.h>

namespace gpen {
namespace {
using V = __m256;
constexpr const char* kName = "avx2";
constexpr int kLanes = 8, kMaxRows = 6, kWide = 1, kChunkEntries = 18;
inline V load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, V v) { _mm256_storeu_ps(p, v); }
inline V splat(float x) { return _mm256_set1_ps(x); }
inline V broadcast(const float* p) { return _mm256_broadcast_ss(p); }
inline V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
inline V leaky(V v, float slope) {
  return _mm256_blendv_ps(v, _mm256_mul_ps(v, splat(slope)), _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LE_OQ));
}
inline void keep(V& v) { asm volatile("" : "+x"(v)); }
inline float sum_lanes(V v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline V round_to_bf16(V x);
inline void store_bf16(float* d, V x) { store(d, round_to_bf16(x)); }
#include "kernels/isa_body.h"
}  // namespace
const IsaKernels* isa_avx2() { return &kTable; }
}  // namespace gpen
#else
namespace gpen {
const IsaKernels* isa_avx2() { return nullptr; }
}  // namespace gpen
#endif
