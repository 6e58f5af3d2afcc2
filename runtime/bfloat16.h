// bfloat16: the upper half of a float.
#pragma once
#include <bit>
#include <cstdint>

namespace gpen {

// To nearest, ties to even; NaN stays a NaN.
inline uint16_t float_to_bfloat16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace gpen
