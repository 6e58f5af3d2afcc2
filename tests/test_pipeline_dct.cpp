#include "pipeline/dct.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace gpen {
namespace {

std::vector<float> random_planes(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> x(static_cast<size_t>(count));
  for (float& value : x) value = uniform(random);
  return x;
}

// The definition, in double.
std::vector<double> reference_dct(const float* x, int n) {
  const auto basis = [n](int k, int i) {
    return std::sqrt((k == 0 ? 1.0 : 2.0) / n) * std::cos(std::numbers::pi * (2 * i + 1) * k / (2.0 * n));
  };
  std::vector<double> rows(static_cast<size_t>(n) * n), out(rows.size());
  for (int j = 0; j < n; ++j)
    for (int u = 0; u < n; ++u)
      for (int i = 0; i < n; ++i) rows[j * n + u] += x[j * n + i] * basis(u, i);
  for (int v = 0; v < n; ++v)
    for (int u = 0; u < n; ++u)
      for (int j = 0; j < n; ++j) out[v * n + u] += rows[j * n + u] * basis(v, j);
  return out;
}

class DctSizes : public testing::TestWithParam<int> {};

TEST_P(DctSizes, EqualsTheDefinition) {
  const int n = GetParam();
  ThreadPool pool(2);
  std::vector<float> x = random_planes(int64_t{2} * n * n, 7);
  const std::vector<double> first = reference_dct(x.data(), n), second = reference_dct(x.data() + n * n, n);
  Dct(n).forward(x.data(), 2, n, pool);
  double worst = 0;
  for (int k = 0; k < n * n; ++k)
    worst = std::max({worst, std::abs(x[k] - first[k]), std::abs(x[n * n + k] - second[k])});
  EXPECT_LE(worst, 1e-6) << "coefficients of order 1";
}
INSTANTIATE_TEST_SUITE_P(Sizes, DctSizes, testing::Values(16, 32, 64));

TEST(Dct, InverseUndoesForwardAtEverySize) {
  ThreadPool pool(2);
  for (int n = 16; n <= 1024; n *= 2) {
    const std::vector<float> x = random_planes(int64_t{n} * n, static_cast<uint32_t>(n));
    std::vector<float> y = x;
    const Dct dct(n);
    dct.forward(y.data(), 1, n, pool);
    double energy_x = 0, energy_y = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      energy_x += double{x[k]} * x[k];
      energy_y += double{y[k]} * y[k];
    }
    EXPECT_NEAR(energy_y / energy_x, 1, 1e-6) << n;  // orthonormal
    dct.inverse(y.data(), 1, n, pool);
    double worst = 0;
    for (size_t k = 0; k < x.size(); ++k) worst = std::max<double>(worst, std::abs(x[k] - y[k]));
    EXPECT_LE(worst, 2e-6) << n;
  }
}

TEST(Dct, AConstantHasOnlyItsMean) {
  ThreadPool pool(1);
  const int n = 64;
  std::vector<float> x(n * n, 0.5f);
  const Dct dct(n);
  dct.forward(x.data(), 1, n, pool);
  EXPECT_NEAR(x[0], 0.5 * n, 1e-5);
  for (int k = 1; k < n * n; ++k) ASSERT_EQ(x[k], 0) << k;
  dct.inverse(x.data(), 1, n, pool);
  for (int k = 0; k < n * n; ++k) ASSERT_EQ(x[k], x[0]) << k;
  EXPECT_NEAR(x[0], 0.5, 1e-7);
}

TEST(Dct, ABandIsAPieceOfTheWholeBitForBit) {
  ThreadPool pool(2);
  const int n = 64;
  for (int band : {1, 15, 16, 17, 33, 64}) {
    std::vector<float> whole = random_planes(int64_t{3} * n * n, 3), part = whole;
    const Dct dct(n);
    dct.forward(whole.data(), 3, n, pool);
    dct.forward(part.data(), 3, band, pool);
    for (int k = 0; k < 3 * n * n; ++k)
      if (k % n < band && k / n % n < band)
        ASSERT_EQ(whole[k], part[k]) << band;
      else
        whole[k] = part[k] = 0;
    dct.inverse(whole.data(), 3, n, pool);
    dct.inverse(part.data(), 3, band, pool);
    ASSERT_EQ(whole, part) << band;
  }
}

TEST(Dct, TheNumberOfThreadsDoesNotMatter) {
  std::vector<float> one = random_planes(3 * 128 * 128, 5), three = one;
  ThreadPool pool1(1), pool3(3);
  const Dct dct(128);
  dct.forward(one.data(), 3, 128, pool1);
  dct.forward(three.data(), 3, 128, pool3);
  EXPECT_EQ(one, three);
  dct.inverse(one.data(), 3, 128, pool1);
  dct.inverse(three.data(), 3, 128, pool3);
  EXPECT_EQ(one, three);
}

TEST(Dct, SupportsPowersOfTwoFrom16To4096) {
  for (int n : {-16, 0, 1, 8, 15, 17, 48, 100, 8192}) EXPECT_FALSE(Dct::supports(n)) << n;
  for (int n : {16, 64, 512, 4096}) EXPECT_TRUE(Dct::supports(n)) << n;
}

}  // namespace
}  // namespace gpen
