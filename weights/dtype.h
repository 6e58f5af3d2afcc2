// Conversions between the float types of weight files. All narrowing rounds to nearest even, overflows to infinity and
// keeps NaN a NaN. Pointers may have any alignment.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/bfloat16.h"
#include "runtime/float16.h"
#include "weights/weight_store.h"

namespace gpen {

bool is_float(DType t);
float bfloat16_to_float(uint16_t b);
// Nearest float, except that an inexact result has its last bit set (round to odd): narrowing it once more to half or
// bfloat16 then gives what narrowing the double directly would give.
float double_to_float_odd(double d);

// `count` values of float type `from` at `data` to fp32. An f64 is rounded to nearest.
void widen(DType from, const std::byte* data, int64_t count, float* out);
// True when all values are finite.
bool all_finite(const float* values, int64_t count);

}  // namespace gpen
