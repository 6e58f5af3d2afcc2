// float <-> tf32, in software: 10 bits of mantissa in a float's place.
#pragma once
#include <bit>
#include <cstdint>

namespace gpen {

// To nearest, ties away from zero, as cvt.rna does; the bits below are zero. NaN becomes the canonical one.
inline uint32_t float_to_tf32(float v) {
  const uint32_t bits = std::bit_cast<uint32_t>(v), magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffffffu;
  return magnitude == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

}  // namespace gpen
