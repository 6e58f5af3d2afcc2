#include "weights/dtype.h"

#include <bit>
#include <cstring>

namespace gpen {
namespace {

template <class T>
T load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

}  // namespace

bool is_float(DType t) { return t == DType::f64 || t == DType::f32 || t == DType::f16 || t == DType::bf16; }

float bfloat16_to_float(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

float double_to_float_odd(double d) {
  const auto nearest = static_cast<float>(d);
  const auto back = static_cast<double>(nearest);
  if (back == d || d != d || back - back != 0.0) return nearest;
  auto bits = std::bit_cast<uint32_t>(nearest);
  if ((bits & 1u) != 0) return nearest;
  // d lies between two floats and the even one is nearer: take the odd neighbour on d's side.
  const bool away_from_zero = (d > back) == (d > 0.0);
  return std::bit_cast<float>(away_from_zero ? bits + 1 : bits - 1);
}

void widen(DType from, const std::byte* data, int64_t count, float* out) {
  switch (from) {
    case DType::f32:
      if (count > 0) std::memcpy(out, data, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::f64:
      for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(load<double>(data + 8 * i));
      return;
    case DType::f16:
      for (int64_t i = 0; i < count; ++i) out[i] = half_to_float(load<uint16_t>(data + 2 * i));
      return;
    case DType::bf16:
      for (int64_t i = 0; i < count; ++i) out[i] = bfloat16_to_float(load<uint16_t>(data + 2 * i));
      return;
    default:
      return;
  }
}

bool all_finite(const float* values, int64_t count) {
  uint32_t found = 0;  // no early way out: the loop stays a plain vector reduction
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    found |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  }
  return found == 0;
}

}  // namespace gpen
