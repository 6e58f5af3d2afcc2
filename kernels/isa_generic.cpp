// The compiler's own 4-float vectors: SSE2 on x86-64, NEON on aarch64, anything elsewhere.
#include "kernels/isa_kernels.h"

namespace gpen {
namespace {
typedef float V __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(16), aligned(4), may_alias));
constexpr int kLanes = 4, kWide = 1, kChunkEntries = 18;
#if defined(__aarch64__)
constexpr const char* kName = "neon";
constexpr int kMaxRows = 6;  // 24 of the 32 registers
#else
constexpr const char* kName = "generic";
constexpr int kMaxRows = 2;  // 8 of the 16 registers of SSE2
#endif
inline V load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline V splat(float x) { return V{x, x, x, x}; }
inline V broadcast(const float* p) { return splat(*p); }
#if defined(__aarch64__)
inline V fma(V a, V b, V c) {
  V r = c;
  asm("fmla %0.4s, %1.4s, %2.4s" : "+w"(r) : "w"(a), "w"(b));
  return r;
}
inline void keep(V& v) { asm volatile("" : "+w"(v)); }
#else
inline V fma(V a, V b, V c) { return a * b + c; }
inline void keep(V& v) { asm volatile("" : "+m"(v)); }
#endif
inline V leaky(V v, float slope) { return v <= splat(0.f) ? v * splat(slope) : v; }
inline float sum_lanes(V v) { return (v[0] + v[1]) + (v[2] + v[3]); }
inline V round_to_bf16(V x);
inline void store_bf16(float* d, V x) { store(d, round_to_bf16(x)); }
#include "kernels/isa_body.h"
}  // namespace
const IsaKernels* isa_generic() { return &kTable; }
}  // namespace gpen
