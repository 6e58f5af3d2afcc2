// Reading a stored activation on the host.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "runtime/float16.h"
#include "runtime/tensor.h"

namespace gpen {

// Element `index` of what lies at `from`.
inline float element_at(const uint8_t* from, int64_t index, ElementType type) {
  const uint8_t* at = from + index * size_of(type);
  if (type == ElementType::f32) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  // bf16 is the upper half of a float.
  return type == ElementType::f16 ? half_to_float(bits) : std::bit_cast<float>(uint32_t{bits} << 16);
}

}  // namespace gpen
