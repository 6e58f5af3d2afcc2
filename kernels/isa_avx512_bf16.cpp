// AVX-512 with VDPBF16PS (Cooper Lake, Sapphire Rapids, Zen 4 and newer): two products of bf16 per lane and
// instruction.
#include "kernels/isa_kernels.h"

#if defined(GPEN_HAVE_AVX512_BF16)
#include <immintrin.h>

namespace gpen {
namespace {
constexpr const char* kName = "avx512_bf16";
#include "kernels/isa_avx512.h"
#define GPEN_BF16_DOT 1
inline V dot(V acc, V a, V b) { return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b); }
inline void store_bf16(float* d, V x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(d), (__m256i)_mm512_cvtneps_pbh(x));
}
#include "kernels/isa_body.h"
}  // namespace
const IsaKernels* isa_avx512_bf16() { return &kTable; }
}  // namespace gpen
#else
namespace gpen {
const IsaKernels* isa_avx512_bf16() { return nullptr; }
}  // namespace gpen
#endif
