// Pictures with the power spectrum of natural ones, of known blur and noise. For tests of the pipeline room.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

#include "pipeline/dct.h"

namespace gpen::test {

// 3 x size x size planar, mean 0, standard deviation `deviation` before blur: independent normal DCT coefficients of
// power proportional to index^-slope, blurred by a Gaussian (pixels), plus white normal noise.
inline std::vector<float> natural_picture(int size, double slope, double blur, double noise, uint32_t seed,
                                          ThreadPool& pool, double deviation = 0.4) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> x(static_cast<size_t>(3) * size * size);
  double power = 0;
  const auto index = [size](size_t k) {
    const double u = static_cast<double>(k % size), v = static_cast<double>(k / size % size);
    return std::sqrt(u * u + v * v);
  };
  for (size_t k = 0; k < x.size(); ++k) {
    const double r = index(k);
    x[k] = r == 0 ? 0 : std::pow(r, -slope / 2) * normal(random);
    power += x[k] * x[k];
  }
  const double scale = deviation * std::sqrt(static_cast<double>(x.size()) / power);
  std::vector<float> out(x.size());
  for (size_t k = 0; k < x.size(); ++k) {
    const double f = index(k) / (2.0 * size);
    const double b = std::exp(-2 * std::numbers::pi * std::numbers::pi * blur * blur * f * f);
    out[k] = static_cast<float>(scale * b * x[k]);
  }
  Dct(size).inverse(out.data(), 3, size, pool);
  if (noise > 0)
    for (float& value : out) value += static_cast<float>(noise * normal(random));
  return out;
}

// Rounds to the 256 levels of an 8-bit crop.
inline void quantise(std::vector<float>& picture) {
  for (float& value : picture) value = std::round((value + 1) * 127.5f) / 127.5f - 1;
}

}  // namespace gpen::test
