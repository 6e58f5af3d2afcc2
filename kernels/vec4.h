// Four floats at a time in the baseline instruction set of every machine (SSE2, NEON), for the memory-bound kernels.
// Comparisons are written with these because compilers do not vectorise a scalar one that might raise a flag.
#pragma once

namespace gpen {

typedef float Vec4 __attribute__((vector_size(16), aligned(4), may_alias));

inline Vec4 load4(const float* p) { return *reinterpret_cast<const Vec4*>(p); }
inline void store4(float* p, Vec4 v) { *reinterpret_cast<Vec4*>(p) = v; }
inline Vec4 leaky4(Vec4 v, float slope) { return v > 0.0f ? v : slope * v; }
// The larger of both, NaN when one is NaN: (v > held) is false for a NaN in either place, v != v true only for a NaN v.
inline Vec4 larger4(Vec4 held, Vec4 v) { return ((v > held) | (v != v)) ? v : held; }

}  // namespace gpen
