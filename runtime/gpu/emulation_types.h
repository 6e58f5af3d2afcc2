// CUDA's vector types and the 16-bit numbers, for the host.
//
// The names that CUDA has in the global scope are defined in namespace gpen::gpu::emulation::cuda_names and made
// visible everywhere: so they are no second definition of CUDA's own in a program that holds both.
#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>

#include "runtime/bfloat16.h"

namespace gpen::gpu::emulation::cuda_names {

#define GPEN_EMULATED_VECTORS(T, name, alignment2, alignment4)          \
  struct alignas(alignment2) name##2 {                                  \
    T x, y;                                                             \
  };                                                                    \
  struct name##3 {                                                      \
    T x, y, z;                                                          \
  };                                                                    \
  struct alignas(alignment4) name##4 {                                  \
    T x, y, z, w;                                                       \
  };                                                                    \
  constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
GPEN_EMULATED_VECTORS(float, float, 8, 16)
GPEN_EMULATED_VECTORS(int32_t, int, 8, 16)
GPEN_EMULATED_VECTORS(uint32_t, uint, 8, 16)
GPEN_EMULATED_VECTORS(uint16_t, ushort, 4, 8)
GPEN_EMULATED_VECTORS(uint8_t, uchar, 2, 4)
#undef GPEN_EMULATED_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned in_x = 1, unsigned in_y = 1, unsigned in_z = 1) : x(in_x), y(in_y), z(in_z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

}  // namespace gpen::gpu::emulation::cuda_names
using namespace gpen::gpu::emulation::cuda_names;

namespace gpen::gpu {
inline namespace emulated_build {

struct half_t {
  uint16_t bits;
};
struct bf16_t {
  uint16_t bits;
};

inline float to_float(half_t x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = x.bits >> 10 & 31u, mantissa = x.bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // exact: subnormal or zero
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}
inline float to_float(bf16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline float to_float(float x) { return x; }

// To nearest, ties to even; too large a number gives infinity.
inline half_t float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f), magnitude = bits & 0x7fffffffu;
  const uint32_t sign = bits >> 16 & 0x8000u;
  const auto with_sign = [&](uint32_t h) { return half_t{static_cast<uint16_t>(sign | h)}; };
  if (magnitude > 0x7f800000u) return with_sign(0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return with_sign(0x7c00u);  // From 65520 on.
  if (magnitude >= 0x38800000u) {                           // Normal: from 2^-14 on.
    const uint32_t rebiased = magnitude - (112u << 23);
    return with_sign((rebiased + 0xfffu + (rebiased >> 13 & 1u)) >> 13);
  }
  if (magnitude <= 0x33000000u) return with_sign(0);  // Up to 2^-25, the tie with the smallest subnormal.
  // Subnormal: the mantissa with its hidden bit, shifted to the unit 2^-24.
  const uint32_t shift = 126u - (magnitude >> 23), whole = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t quotient = whole >> shift, rest = whole & ((1u << shift) - 1), tie = 1u << (shift - 1);
  return with_sign(quotient + (rest > tie || (rest == tie && (quotient & 1u))));
}

template <class T>
T from_float(float x) {
  if constexpr (std::is_same_v<T, half_t>) {
    half_t h = float_to_half(x);
    if ((h.bits & 0x7fff) == 0x7c00) --h.bits;  // Infinity becomes the largest number.
    return h;
  } else if constexpr (std::is_same_v<T, bf16_t>) {
    return {float_to_bfloat16(x)};
  } else {
    static_assert(std::is_same_v<T, float>);
    return x;
  }
}

template <class T>
float2 unpack2(uint32_t bits) {
  static_assert(sizeof(T) == 2);
  return {to_float(T{static_cast<uint16_t>(bits)}), to_float(T{static_cast<uint16_t>(bits >> 16)})};
}

template <class T>
uint32_t pack2(float low, float high) {
  static_assert(sizeof(T) == 2);
  return from_float<T>(low).bits | static_cast<uint32_t>(from_float<T>(high).bits) << 16;
}

}  // namespace emulated_build
}  // namespace gpen::gpu
