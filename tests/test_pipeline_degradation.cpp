#include "pipeline/degradation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/natural_picture.h"

namespace gpen {
namespace {

using test::natural_picture;
using test::quantise;

struct Known {
  int size;
  double slope, blur, noise;
};
void PrintTo(const Known& k, std::ostream* out) {
  *out << "size " << k.size << " slope " << k.slope << " blur " << k.blur << " noise " << k.noise;
}

class KnownDegradation : public testing::TestWithParam<Known> {};

// Stated tolerance on pictures of natural spectrum: blur within 15 % and noise within 5 % of what was applied; where
// there is none, at most 0.003 (0.4 levels of 255) is taken for noise.
TEST_P(KnownDegradation, IsFound) {
  const Known known = GetParam();
  ThreadPool pool(2);
  for (uint32_t seed : {1u, 2u, 3u}) {
    std::vector<float> x = natural_picture(known.size, known.slope, known.blur, known.noise, seed, pool);
    quantise(x);
    const auto found = estimate_degradation(x.data(), known.size, 1.0, pool);
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_NEAR(found->blur_sigma, known.blur, 0.15 * known.blur) << "seed " << seed;
    EXPECT_NEAR(found->noise_sigma, known.noise, known.noise > 0 ? 0.05 * known.noise : 0.003) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(Pictures, KnownDegradation,
                         testing::Values(Known{256, 2, 1, 0}, Known{256, 2, 1, 0.02}, Known{256, 2, 2, 0},
                                         Known{256, 2, 2, 0.05}, Known{256, 2.6, 1.5, 0.02}, Known{512, 2, 1, 0.02},
                                         Known{512, 2, 2, 0.1}, Known{512, 2, 4, 0.02}, Known{512, 2.6, 2, 0.02},
                                         Known{512, 2.6, 4, 0}, Known{1024, 2.3, 3, 0.03}));

// What a photo's face crop goes through: photo pixels with noise, then enlarged bilinearly at all phases.
std::vector<float> bilinear_crop(const std::vector<float>& photo, int photo_size, int size, double step) {
  std::vector<float> crop(static_cast<size_t>(3) * size * size);
  const double turn_x = step * std::cos(0.1), turn_y = step * std::sin(0.1), centre = (photo_size - 1) / 2.0;
  for (int c = 0; c < 3; ++c)
    for (int j = 0; j < size; ++j)
      for (int i = 0; i < size; ++i) {
        const double di = i - (size - 1) / 2.0, dj = j - (size - 1) / 2.0;
        const double x = centre + turn_x * di - turn_y * dj, y = centre + turn_y * di + turn_x * dj;
        const int ix = static_cast<int>(x), iy = static_cast<int>(y);
        const double a = x - ix, b = y - iy;
        const float* p = photo.data() + (static_cast<size_t>(c) * photo_size + iy) * photo_size + ix;
        crop[(static_cast<size_t>(c) * size + j) * size + i] = static_cast<float>(
            (1 - b) * ((1 - a) * p[0] + a * p[1]) + b * ((1 - a) * p[photo_size] + a * p[photo_size + 1]));
      }
  return crop;
}

TEST(Degradation, NoiseOfPhotoPixelsIsFoundThroughTheWarp) {
  ThreadPool pool(2);
  const int photo_size = 512, size = 256;
  for (double step : {0.25, 0.5, 0.9, 1.4})
    for (double noise : {0.03, 0.1}) {
      // Blurred as photos of small faces are: their finest detail is weak beside the noise.
      const std::vector<float> photo = natural_picture(photo_size, 2.5, 1.5, noise, 11, pool);
      std::vector<float> x = bilinear_crop(photo, photo_size, size, step);
      quantise(x);
      const auto found = estimate_degradation(x.data(), size, step, pool);
      ASSERT_TRUE(found.ok());
      EXPECT_NEAR(found->noise_sigma, noise, 0.1 * noise) << "step " << step;
      const double least = std::sqrt(std::max(0.0, 1 / (step * step) - 1) / 4);
      EXPECT_GE(found->blur_sigma, least * (1 - 1e-9)) << "step " << step;
      // 1.5 photo pixels are 1.5/step crop pixels; the sampling's own blur comes on top.
      EXPECT_NEAR(found->blur_sigma, std::hypot(1.5 / step, 0.4 / step), 0.25 * 1.5 / step) << "step " << step;
      EXPECT_LE(found->cutoff, 0.5 * std::min(1.0, step)) << "step " << step;
    }
}

TEST(Degradation, TheFaceSizeBoundsTheBand) {
  ThreadPool pool(2);
  const std::vector<float> x = natural_picture(256, 2, 0, 0, 4, pool);
  for (double scale : {0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0}) {
    const auto d = estimate_degradation(x.data(), 256, scale, pool);
    ASSERT_TRUE(d.ok());
    EXPECT_LE(d->cutoff, std::max(2.0 / 256, 0.5 * std::min(1.0, scale))) << scale;
    EXPECT_GE(d->cutoff, 2.0 / 256) << scale;
    EXPECT_EQ(trust(*d, d->cutoff), 0);
  }
}

TEST(Degradation, MoreNoiseLeavesLessToTrust) {
  ThreadPool pool(2);
  double cutoff = 1, weight = 1.1;
  for (double noise : {0.0, 0.01, 0.03, 0.1, 0.3}) {
    const std::vector<float> x = natural_picture(256, 2.4, 1, noise, 9, pool);
    const auto d = estimate_degradation(x.data(), 256, 1.0, pool);
    ASSERT_TRUE(d.ok());
    EXPECT_LT(d->cutoff, cutoff) << noise;
    EXPECT_LT(trust(*d, 0.05), weight) << noise;
    cutoff = d->cutoff;
    weight = trust(*d, 0.05);
  }
}

TEST(Degradation, TrustAndBlurAreWeights) {
  ThreadPool pool(2);
  for (double scale : {0.05, 0.3, 1.0, 2.0}) {
    const std::vector<float> x = natural_picture(128, 2.2, 1, 0.02, 21, pool);
    const auto d = estimate_degradation(x.data(), 128, scale, pool);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(trust(*d, 0), 1);
    EXPECT_EQ(blur_response(*d, 0), 1);
    double w = 1, b = 1;
    for (double f = 0; f < 0.75; f += 0.001) {
      EXPECT_LE(trust(*d, f), w + 1e-12) << "scale " << scale << " f " << f;
      EXPECT_LE(blur_response(*d, f), b);
      w = trust(*d, f);
      b = blur_response(*d, f);
      EXPECT_GE(w, 0);
      EXPECT_GE(b, 0);
      EXPECT_TRUE(f < d->cutoff || w == 0) << f;
    }
  }
}

TEST(Degradation, AFlatCropIsTrustedInItsMeanOnly) {
  ThreadPool pool(2);
  for (int size : {16, 64, 256})
    for (float level : {-1.0f, 0.0f, 0.3f, 1.0f}) {
      const std::vector<float> x(static_cast<size_t>(3) * size * size, level);
      const auto d = estimate_degradation(x.data(), size, 0.5, pool);
      ASSERT_TRUE(d.ok());
      EXPECT_EQ(d->noise_sigma, 0);
      EXPECT_EQ(trust(*d, 0), 1);
      EXPECT_EQ(trust(*d, 0.5 / size), 0);
      EXPECT_TRUE(std::isfinite(d->blur_sigma) && std::isfinite(d->cutoff));
    }
}

TEST(Degradation, TheNumberOfThreadsDoesNotMatter) {
  ThreadPool one(1), three(3);
  const std::vector<float> x = natural_picture(256, 2, 1, 0.03, 8, one);
  const Degradation a = *estimate_degradation(x.data(), 256, 0.4, one);
  const Degradation b = *estimate_degradation(x.data(), 256, 0.4, three);
  EXPECT_EQ(a.blur_sigma, b.blur_sigma);
  EXPECT_EQ(a.noise_sigma, b.noise_sigma);
  EXPECT_EQ(a.cutoff, b.cutoff);
  EXPECT_EQ(a.signal_power, b.signal_power);
  EXPECT_EQ(a.signal_slope, b.signal_slope);
}

TEST(Degradation, RefusesWhatMakesNoSense) {
  ThreadPool pool(1);
  std::vector<float> x(3 * 64 * 64, 0.0f);
  for (int size : {0, 8, 60, 8192})
    EXPECT_EQ(estimate_degradation(x.data(), size, 1, pool).status().code(), Code::usage) << size;
  for (double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_EQ(estimate_degradation(x.data(), 64, scale, pool).status().code(), Code::usage) << scale;
  x[1000] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(estimate_degradation(x.data(), 64, 1, pool).status().code(), Code::usage);
}

}  // namespace
}  // namespace gpen
