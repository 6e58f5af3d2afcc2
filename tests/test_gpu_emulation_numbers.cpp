// The emulation's numbers: 16-bit formats, tf32, and the matrix instructions against plain matrix products.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/gpu/emulated_device.h"
#include "support/gpu_test_kernels.h"

namespace gpen::emulated {
namespace {

using namespace test_kernels;
using gpu::bf16_t;
using gpu::from_float;
using gpu::half_t;
using gpu::launch;
using gpu::to_float;
using gpu::emulation::GuardedArray;

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

// The value of a 16-bit format with this many bits of mantissa, from its definition.
double value_of(uint16_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1), mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? kNan : sign * kInfinity;
  const int hidden = exponent > 0 ? 1 << mantissa_bits : 0;
  return sign * std::ldexp(hidden + mantissa, (exponent > 0 ? exponent : 1) - bias - mantissa_bits);
}

// Every number to float and back; between all neighbours, the tie and the floats next to it.
template <class T, int mantissa_bits>
void check_format(uint16_t infinity, T (*round)(float)) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const T x{static_cast<uint16_t>(i)};
    const double expected = value_of(x.bits, mantissa_bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(to_float(x))) << i;
      ASSERT_TRUE(std::isnan(to_float(round(to_float(x))))) << i;
      continue;
    }
    ASSERT_EQ(static_cast<double>(to_float(x)), expected) << i;
    ASSERT_EQ(std::signbit(to_float(x)), i >= 32768) << i;
    ASSERT_EQ(round(to_float(x)).bits, i);
    if ((i & 0x7fff) >= infinity) continue;
    // What lies beyond the largest number rounds as if the format went on.
    const double next = (i & 0x7fff) + 1 == infinity
                            ? 2 * expected - value_of(static_cast<uint16_t>(i - 1), mantissa_bits)
                            : value_of(static_cast<uint16_t>(i + 1), mantissa_bits);
    const double middle = (expected + next) / 2;
    const float tie = static_cast<float>(middle);
    ASSERT_EQ(static_cast<double>(tie), middle);
    const uint16_t even = static_cast<uint16_t>(i % 2 == 0 ? i : i + 1);
    ASSERT_EQ(round(tie).bits, even) << i;
    ASSERT_EQ(round(std::nextafter(tie, static_cast<float>(expected))).bits, i);
    const float towards_next = i >= 32768 ? -kInfinity : kInfinity;
    ASSERT_EQ(round(std::nextafter(tie, towards_next)).bits, i + 1);
  }
}

TEST(EmulationNumbers, Half) {
  check_format<half_t, 10>(0x7c00, gpu::float_to_half);
  EXPECT_EQ(gpu::float_to_half(1e30f).bits, 0x7c00);
  EXPECT_EQ(gpu::float_to_half(std::numeric_limits<float>::denorm_min()).bits, 0);
  EXPECT_EQ(gpu::float_to_half(-0.0f).bits, 0x8000);
}

TEST(EmulationNumbers, Bfloat16) { check_format<bf16_t, 7>(0x7f80, from_float<bf16_t>); }

TEST(EmulationNumbers, HalfIsClamped) {
  const auto clamped = [](float x) { return to_float(from_float<half_t>(x)); };
  for (const float sign : {1.0f, -1.0f}) {
    for (const float x : {65504.0f, 65519.996f, 65520.0f, 65536.0f, 1e30f, kInfinity})
      EXPECT_EQ(clamped(sign * x), sign * 65504.0f) << x;
    EXPECT_EQ(clamped(sign * 65472.0f), sign * 65472.0f);
    EXPECT_EQ(gpu::pack2<half_t>(sign * kInfinity, sign * 1e9f), sign > 0 ? 0x7bff7bffu : 0xfbfffbffu);
  }
  EXPECT_TRUE(std::isnan(clamped(kNan)));
  EXPECT_TRUE(std::isnan(gpu::unpack2<half_t>(gpu::pack2<half_t>(kNan, 1)).x));
  EXPECT_EQ(to_float(from_float<bf16_t>(kInfinity)), kInfinity);
  EXPECT_EQ(from_float<float>(kInfinity), kInfinity);
  EXPECT_EQ(to_float(0.1f), 0.1f);
}

TEST(EmulationNumbers, Pairs) {
  EXPECT_EQ(gpu::pack2<half_t>(1.0f, -2.0f), 0xc0003c00u);
  EXPECT_EQ(gpu::pack2<bf16_t>(1.0f, -2.0f), 0xc0003f80u);
  const float2 h = gpu::unpack2<half_t>(0xc0003c00u), b = gpu::unpack2<bf16_t>(0xc0003f80u);
  EXPECT_EQ(h.x, 1.0f);
  EXPECT_EQ(h.y, -2.0f);
  EXPECT_EQ(b.x, 1.0f);
  EXPECT_EQ(b.y, -2.0f);
}

TEST(EmulationNumbers, Tf32) {
  const auto rounded = [](float x) { return std::bit_cast<float>(gpu::round_to_tf32(x)); };
  constexpr float kUnit = 0x1p-10f;  // of the last place at 1
  for (const float sign : {1.0f, -1.0f}) {
    EXPECT_EQ(rounded(sign), sign);
    EXPECT_EQ(rounded(sign * (1 + kUnit)), sign * (1 + kUnit));
    EXPECT_EQ(rounded(sign * (1 + 0.5f * kUnit)), sign * (1 + kUnit));  // ties away from zero
    EXPECT_EQ(rounded(sign * (1 + 1.5f * kUnit)), sign * (1 + 2 * kUnit));
    EXPECT_EQ(rounded(sign * (1 + 0.4999f * kUnit)), sign);
    EXPECT_EQ(rounded(sign * (2 - 0.5f * kUnit)), sign * 2);
    EXPECT_EQ(rounded(sign * kInfinity), sign * kInfinity);
    EXPECT_EQ(rounded(sign * std::numeric_limits<float>::max()), sign * kInfinity);
  }
  EXPECT_TRUE(std::isnan(rounded(kNan)));
}

TEST(EmulationNumbers, LdmatrixFollowsItsLayoutAndCountsBankConflicts) {
  const auto device = open_emulated_device();
  GuardedArray<uint16_t> input(256);
  for (unsigned i = 0; i < 256; ++i) input[i] = static_cast<uint16_t>(i);  // row * 8 + column
  struct Case {
    int stride, rows;
    unsigned wasted_per_matrix;  // cycles
  };
  for (const Case& c :
       {Case{8, 32, 0}, Case{16, 32, 4}, Case{24, 32, 0}, Case{64, 32, 7}, Case{64, 1, 0}, Case{64, 4, 3}})
    for (const bool transposed : {false, true}) {
      GuardedArray<uint32_t> output(128);
      const uint64_t before = gpu::emulation::statistics().bank_conflicts;
      launch(*device, "load_matrices", load_matrices, dim3(1), dim3(32), 32 * 64 * 2, input.data(), output.data(),
             c.stride, c.rows, transposed);
      const Status status = device->finish();
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(gpu::emulation::statistics().bank_conflicts - before, 4 * c.wasted_per_matrix) << c.stride;
      const auto element = [&](unsigned matrix, unsigned row, unsigned column) {
        return (matrix * 8 + row) % static_cast<unsigned>(c.rows) * 8 + column;
      };
      for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned i = 0; i < 4; ++i) {
          const unsigned g = lane / 4, t = lane % 4;
          const unsigned low = transposed ? element(i, 2 * t, g) : element(i, g, 2 * t);
          const unsigned high = transposed ? element(i, 2 * t + 1, g) : element(i, g, 2 * t + 1);
          EXPECT_EQ(output[lane * 4 + i], low | high << 16);
        }
    }
}

// In [-1, 1), a multiple of 1/1024: exact in half precision and in tf32.
float random_value(uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(static_cast<int>(state >> 21) - 1024) / 1024.0f;
}

// D = C + A B with one warp against double precision.
template <class T, int depth>
void check_product(void (*kernel)(const T*, const T*, float*), double tolerance) {
  const auto device = open_emulated_device();
  GuardedArray<T> a(16 * depth), b(depth * 8);
  GuardedArray<float> d(16 * 8);
  uint32_t state = 1;
  for (size_t i = 0; i < a.size(); ++i) a[i] = from_float<T>(random_value(state));
  for (size_t i = 0; i < b.size(); ++i) b[i] = from_float<T>(random_value(state));
  std::vector<double> expected(16 * 8);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = d[i] = random_value(state);
    for (size_t k = 0; k < depth; ++k)
      expected[i] += static_cast<double>(to_float(a[i / 8 * depth + k])) * to_float(b[k * 8 + i % 8]);
  }
  launch(*device, "product", kernel, dim3(1), dim3(32), 1024, a.data(), b.data(), d.data());
  const Status status = device->finish();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(d.intact());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(d[i], expected[i], tolerance) << i;
}

TEST(EmulationNumbers, ProductOfHalves) { check_product<half_t, 16>(multiply_16<half_t>, 1e-5); }
TEST(EmulationNumbers, ProductOfBfloat16) { check_product<bf16_t, 16>(multiply_16<bf16_t>, 1e-5); }
TEST(EmulationNumbers, ProductOfTf32) { check_product<float, 8>(multiply_tf32, 1e-5); }
TEST(EmulationNumbers, ProductOfHalvesFromLdmatrix) { check_product<half_t, 16>(multiply_ldmatrix<half_t>, 1e-5); }
TEST(EmulationNumbers, ProductOfBfloat16FromLdmatrix) { check_product<bf16_t, 16>(multiply_ldmatrix<bf16_t>, 1e-5); }
TEST(EmulationNumbers, ProductWithSumsInHalfPrecision) {
  check_product<half_t, 16>(multiply_f16_sums, 0x1p-9);  // Sums below 8: half a unit in the last place.
}

TEST(EmulationNumbers, SumsInHalfPrecisionOverflow) {
  const auto device = open_emulated_device();
  GuardedArray<half_t> a(256), b(128);
  GuardedArray<float> d(128);
  for (size_t i = 0; i < 256; ++i) a[i] = from_float<half_t>(100.0f);
  for (size_t i = 0; i < 128; ++i) b[i] = from_float<half_t>(i % 8 == 0 ? 100.0f : 10.0f);
  for (size_t i = 0; i < 128; ++i) d[i] = 1.0f;
  launch(*device, "product", multiply_f16_sums, dim3(1), dim3(32), 0, a.data(), b.data(), d.data());
  ASSERT_TRUE(device->finish().ok());
  EXPECT_EQ(d[0], kInfinity);  // 160001
  EXPECT_EQ(d[1], 16000.0f);   // 16001, in units of 8
}

TEST(EmulationNumbers, Tf32ReadsOnlyTheUpperBits) {
  const auto device = open_emulated_device();
  GuardedArray<float> a(128), b(64), d(128);
  for (size_t i = 0; i < 128; ++i) a[i] = 1.0f + 0x1.8p-11f;  // The hardware cuts off what was not rounded.
  for (size_t i = 0; i < 64; ++i) b[i] = 1.0f;
  for (size_t i = 0; i < 128; ++i) d[i] = 0.0f;
  launch(*device, "product", multiply_tf32, dim3(1), dim3(32), 0, a.data(), b.data(), d.data());
  ASSERT_TRUE(device->finish().ok());
  for (size_t i = 0; i < 128; ++i) EXPECT_EQ(d[i], 8.0f);
}

}  // namespace
}  // namespace gpen::emulated
