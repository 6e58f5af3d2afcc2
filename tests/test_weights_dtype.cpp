// Float conversions, against the definition of the formats and exhaustively where that is possible.
#include "weights/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace gpen {
namespace {

// The value of a float format with `fraction` explicit bits, from its definition; infinity and NaN excluded.
double value_of(uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t fraction = bits & ((1u << fraction_bits) - 1);
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1u << fraction_bits), exponent - bias - fraction_bits);
}

TEST(DTypes, EveryHalfHasItsValueAndComesBack) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = half_to_float(static_cast<uint16_t>(h));
    if ((h & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(f), (h & 0x3ff) != 0);
      EXPECT_EQ(std::isinf(f), (h & 0x3ff) == 0);
      EXPECT_EQ(std::signbit(f), h >= 0x8000);
      EXPECT_EQ(std::isnan(half_to_float(float_to_half(f))), std::isnan(f));
      if (std::isinf(f)) {
        EXPECT_EQ(float_to_half(f), h);
      }
    } else {
      ASSERT_EQ(f, value_of(h, 5, 10)) << h;
      ASSERT_EQ(float_to_half(f), h);
    }
  }
}

TEST(DTypes, EveryBFloat16ComesBack) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    const float f = bfloat16_to_float(static_cast<uint16_t>(b));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(f))));
    } else {
      ASSERT_EQ(float_to_bfloat16(f), b);
      if (!std::isinf(f)) {
        ASSERT_EQ(f, value_of(b, 8, 7));
      }
    }
  }
}

// Between two neighbours everything below the middle rounds down, above up, and the middle itself to the even one.
template <class Widen, class Narrow>
void check_rounding(uint16_t first, uint16_t last, Widen widen_one, Narrow narrow_one) {
  for (uint32_t low = first; low < last; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    const float a = widen_one(static_cast<uint16_t>(low)), b = widen_one(high);
    const float middle = a + (b - a) / 2;
    ASSERT_EQ(narrow_one(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(narrow_one(std::nextafter(middle, a)), low);
    ASSERT_EQ(narrow_one(std::nextafter(middle, b)), high);
    ASSERT_EQ(narrow_one(-middle), (low % 2 == 0 ? low : high) | 0x8000);
  }
}

TEST(DTypes, RoundsToNearestEven) {
  check_rounding(0, 0x7bff, half_to_float, float_to_half);
  check_rounding(1, 0x7f7f, bfloat16_to_float, float_to_bfloat16);
}

TEST(DTypes, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000) << "half of the smallest: to even";
  EXPECT_EQ(float_to_half(0x1.000002p-25f), 0x0001);
  EXPECT_EQ(float_to_half(1e-45f), 0x0000);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  for (const uint32_t nan : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffc00000u}) {
    EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(nan)))));
    EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(nan)))));
  }
}

TEST(DTypes, DoublesAreRoundedOnce) {
  // Just above the middle of two halves, by less than a float can say: rounding twice would give the lower one.
  const double above = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(float_to_half(static_cast<float>(above)), 0x3c00) << "what rounding twice gives";
  EXPECT_EQ(float_to_half(double_to_float_odd(above)), 0x3c01);
  EXPECT_EQ(float_to_half(double_to_float_odd(-above)), 0xbc01);
  EXPECT_EQ(float_to_half(double_to_float_odd(1.0 + 0x1p-11)), 0x3c00);
  EXPECT_EQ(float_to_half(double_to_float_odd(1.0 + 0x1p-11 - 0x1p-40)), 0x3c00);
  EXPECT_EQ(float_to_bfloat16(double_to_float_odd(1.0 + 0x1p-8 + 0x1p-50)), 0x3f81);
  for (const double exact : {0.0, 1.5, -2.25, 1e300, -1e300, 1e-300}) {
    EXPECT_EQ(float_to_half(double_to_float_odd(exact)), float_to_half(static_cast<float>(exact)));
  }
  EXPECT_TRUE(std::isnan(double_to_float_odd(std::nan(""))));
}

TEST(DTypes, SizesAndNames) {
  const std::pair<DType, std::pair<const char*, size_t>> all[] = {
      {DType::f64, {"F64", 8}}, {DType::f32, {"F32", 4}},     {DType::f16, {"F16", 2}}, {DType::bf16, {"BF16", 2}},
      {DType::i64, {"I64", 8}}, {DType::i32, {"I32", 4}},     {DType::i16, {"I16", 2}}, {DType::i8, {"I8", 1}},
      {DType::u8, {"U8", 1}},   {DType::boolean, {"BOOL", 1}}};
  for (const auto& [dtype, expected] : all) {
    EXPECT_STREQ(dtype_name(dtype), expected.first);
    EXPECT_EQ(dtype_size(dtype), expected.second);
  }
}

}  // namespace
}  // namespace gpen
