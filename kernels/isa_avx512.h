// AVX-512 F/BW/VL/DQ: 14 pixels x 32 channels in 28 of the 32 registers, two more for weights, two for broadcasts.
// What isa_body.h asks for; included like it.

using V = __m512;
constexpr int kLanes = 16, kMaxRows = 14, kWide = 2, kChunkEntries = 72;
inline V load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, V v) { _mm512_storeu_ps(p, v); }
inline V splat(float x) { return _mm512_set1_ps(x); }
// An explicit broadcast into a register: two FMAs share it, where a memory operand would be loaded twice.
inline V broadcast(const float* p) {
  V v;
  asm("vbroadcastss %1, %0" : "=v"(v) : "m"(*p));
  return v;
}
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V leaky(V v, float slope) {
  return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LE_OQ), v, splat(slope));
}
inline void keep(V& v) { asm volatile("" : "+v"(v)); }
inline float sum_lanes(V v) { return _mm512_reduce_add_ps(v); }
