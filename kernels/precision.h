#pragma once
#include <cstdint>

namespace gpen {

// bf16: weights and (transformed) inputs of convolutions are rounded to bf16 (8 bits of mantissa), products are summed
// in fp32. Weights take half the memory; meant for processors that multiply bf16.
enum class Precision : uint8_t { fp32, bf16 };
inline const char* name_of(Precision p) { return p == Precision::bf16 ? "bf16" : "fp32"; }

}  // namespace gpen
