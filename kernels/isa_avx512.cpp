// AVX-512 without products of bf16 (Skylake-X, Ice Lake).
#include "kernels/isa_kernels.h"

#if defined(GPEN_HAVE_AVX512)
#include <immintrin.h>

namespace gpen {
namespace {
constexpr const char* kName = "avx512";
#include "kernels/isa_avx512.h"
inline V round_to_bf16(V x);
inline void store_bf16(float* d, V x) { store(d, round_to_bf16(x)); }
#include "kernels/isa_body.h"
}  // namespace
const IsaKernels* isa_avx512() { return &kTable; }
}  // namespace gpen
#else
namespace gpen {
const IsaKernels* isa_avx512() { return nullptr; }
}  // namespace gpen
#endif
