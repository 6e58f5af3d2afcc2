// The kernels in the shape they have with AVX-512 (16 lanes, 14 pixels, panels of 32 channels) on machines that lack
// it: the same isa_body.h in the compiler's own vectors. "emulated_avx512_bf16" has the dot product of bf16 pairs in
// software.
#pragma once
#include "kernels/isa.h"

namespace gpen::test {

const IsaKernels* isa_emulated_avx512();
const IsaKernels* isa_emulated_avx512_bf16();

// What a kernel's tests run on: the instruction sets of this machine, then the emulated ones; all known to force_isa().
inline std::vector<std::string> tested_isas() {
  register_isa(isa_emulated_avx512());
  register_isa(isa_emulated_avx512_bf16());
  return available_isas();
}

}  // namespace gpen::test
