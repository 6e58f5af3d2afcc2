// IEEE half precision: 1 sign, 5 exponent, 10 mantissa bits.
#pragma once
#include <bit>
#include <cstdint>

namespace gpen {

// The magnitude bits shifted into a float's place are the value times 2^-112, subnormals included; the multiplication
// is exact. Infinity and NaN (exponent 31) get the float's highest exponent afterwards.
inline float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(h & 0x7fffu) << 13;
  uint32_t bits = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  bits |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(bits | sign);
}

// To nearest, ties to even; overflows to infinity, NaN stays a NaN.
inline uint16_t float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and more: infinity
  uint32_t half;
  if (magnitude < 0x38800000u) {
    // Below 2^-14: half's spacing is 2^-24, which is the spacing of floats in [0.5, 1): the addition rounds.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
  } else {
    half = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;  // a carry reaches infinity rightly
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace gpen
