// What isa_body.h asks for, with 16 lanes in the shape of kernels/isa_avx512.h. Included like it, once per table.

typedef float V __attribute__((vector_size(64)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int kLanes = 16, kMaxRows = 14, kWide = 2, kChunkEntries = 72;
inline V load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline V splat(float x) { return V{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
inline V broadcast(const float* p) { return splat(*p); }
inline V fma(V a, V b, V c) { return a * b + c; }
inline V leaky(V v, float slope) { return v <= splat(0.f) ? v * splat(slope) : v; }
inline void keep(V& v) { asm volatile("" : "+m"(v)); }
inline float sum_lanes(V v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}
inline V round_to_bf16(V x);
