#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "pipeline/geometry.h"

namespace gpen {
namespace {

Plane random_plane(int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  Plane p(width, height);
  for (float& v : p.data) v = static_cast<float>(random() % 4096) / 16;
  return p;
}

double at(const Plane& p, int x, int y) {
  return x < 0 || y < 0 || x >= p.width || y >= p.height ? 0.0 : p.data[static_cast<size_t>(y * p.width + x)];
}

// Bilinear by definition: the tent function over all pixels around.
double tent_sample(const Plane& p, double x, double y) {
  double sum = 0;
  for (int j = static_cast<int>(std::floor(y)) - 1; j <= y + 1; ++j)
    for (int i = static_cast<int>(std::floor(x)) - 1; i <= x + 1; ++i)
      sum += std::max(0.0, 1 - std::abs(x - i)) * std::max(0.0, 1 - std::abs(y - j)) * at(p, i, j);
  return sum;
}

TEST(Affine, InverseUndoes) {
  Affine a;
  a.m[0] = {1.5, -0.25, 10};
  a.m[1] = {0.75, 2, -7};
  const Affine b = inverse(a);
  for (const Point p : {Point{0, 0}, {3, -8}, {1000, 0.5}}) {
    const Point q = b(a(p));
    EXPECT_NEAR(q.x, p.x, 1e-10);
    EXPECT_NEAR(q.y, p.y, 1e-10);
  }
  EXPECT_DOUBLE_EQ(a.scale(), std::sqrt(1.5 * 2 + 0.25 * 0.75));
}

TEST(ToByte, RoundsAndClamps) {
  EXPECT_EQ(to_byte(-3.0f), 0);
  EXPECT_EQ(to_byte(-0.0f), 0);
  EXPECT_EQ(to_byte(255.4f), 255);
  EXPECT_EQ(to_byte(1e9f), 255);
  EXPECT_EQ(to_byte(254.5f), 254);  // ties to even
  EXPECT_EQ(to_byte(253.5f), 254);
  for (int v = 0; v < 256; ++v)
    for (float d : {-0.49f, -0.25f, 0.0f, 0.25f, 0.49f}) EXPECT_EQ(to_byte(static_cast<float>(v) + d), v);
}

TEST(SampleBilinear, EqualsDefinitionWithZerosOutside) {
  const Plane p = random_plane(5, 4, 11);
  std::mt19937 random(12);
  std::uniform_real_distribution<double> where(-2.5, 7.5);
  for (int i = 0; i < 2000; ++i) {
    const Point q{where(random), where(random)};
    float v;
    sample_bilinear<1>(view(p), q, &v);
    ASSERT_NEAR(v, tent_sample(p, q.x, q.y), 1e-4) << q.x << ' ' << q.y;
  }
  // Integer positions are exact, far away and not-a-number are 0.
  float v;
  sample_bilinear<1>(view(p), {4, 3}, &v);
  EXPECT_EQ(v, at(p, 4, 3));
  for (const double bad : {-1.0, 1e300, -1e300, std::nan("")}) {
    sample_bilinear<1>(view(p), {bad, 1}, &v);
    EXPECT_EQ(v, 0);
  }
}

TEST(WarpAffine, IdentityAndShiftAreExact) {
  ThreadPool pool(2);
  const Plane p = random_plane(9, 6, 1);
  Plane q(9, 6, -1);
  warp_affine<float, float>(view(p), Affine(), view(q), pool);
  EXPECT_EQ(p.data, q.data);
  Affine shift;
  shift.m[0][2] = 2;
  shift.m[1][2] = -1;
  warp_affine<float, float>(view(p), shift, view(q), pool);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 9; ++x) EXPECT_EQ(at(q, x, y), at(p, x + 2, y - 1));
}

TEST(WarpAffine, BytesRoundTheSameSample) {
  ThreadPool pool(2);
  std::mt19937 random(5);
  std::vector<uint8_t> source(3 * 30 * 20), bytes(3 * 16 * 16);
  for (uint8_t& v : source) v = static_cast<uint8_t>(random());
  std::vector<float> floats(bytes.size());
  Affine a;
  a.m[0] = {1.3, 0.4, -2.2};
  a.m[1] = {-0.4, 1.3, 3.1};
  const Pixels<const uint8_t> in{source.data(), 30, 20, 3};
  warp_affine(in, a, Pixels<uint8_t>{bytes.data(), 16, 16, 3}, pool);
  warp_affine(in, a, Pixels<float>{floats.data(), 16, 16, 3}, pool);
  for (size_t i = 0; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], to_byte(floats[i]));
}

TEST(ResizeBilinear, HalfPixelCentres) {
  ThreadPool pool(2);
  Plane p(2, 1);
  p.data = {0, 16};
  Plane q(8, 1);
  resize_bilinear<float, float>(view(p), view(q), pool);
  EXPECT_EQ(q.data, (std::vector<float>{0, 0, 2, 6, 10, 14, 16, 16}));
  // Shrinking samples, it does not average.
  Plane r(6, 1), s(2, 1);
  r.data = {1, 2, 3, 4, 5, 6};
  resize_bilinear<float, float>(view(r), view(s), pool);
  EXPECT_EQ(s.data, (std::vector<float>{2, 5}));
  // An exact step that differs from the ratio of the sides.
  Plane t(3, 1);
  resize_bilinear<float, float>(view(r), view(t), pool, 1.5, 1);
  EXPECT_EQ(t.data, (std::vector<float>{1.25f, 2.75f, 4.25f}));
}

TEST(ResizeBilinear, SameSizeAndConstantAreExact) {
  ThreadPool pool(2);
  const Plane p = random_plane(13, 7, 3);
  Plane q(13, 7);
  resize_bilinear<float, float>(view(p), view(q), pool);
  EXPECT_EQ(p.data, q.data);
  const Plane ones(5, 3, 1);
  Plane big(64, 17);
  resize_bilinear<float, float>(view(ones), view(big), pool);
  EXPECT_EQ(big.data, Plane(64, 17, 1).data);
}

TEST(ResizeBilinear, OnePixelAndAlpha) {
  ThreadPool pool(1);
  Image one(1, 1);
  one.rgb = {10, 20, 30};
  one.alpha = {40};
  const Image big = resize_bilinear(one, 3, 2, pool);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(big.rgb[3 * i + 1], 20);
    EXPECT_EQ(big.alpha[i], 40);
  }
}

TEST(GaussianBlur, EqualsAllTaps) {
  ThreadPool pool(2);
  constexpr int kTaps = 101;
  constexpr double kSigma = 4;
  for (const auto& [w, h] : {std::pair{70, 40}, {5, 90}, {1, 1}}) {
    const Plane p = random_plane(w, h, 9);
    double kernel[kTaps], sum = 0;
    for (int i = 0; i < kTaps; ++i) sum += kernel[i] = std::exp(-std::pow(i - kTaps / 2, 2) / (2 * kSigma * kSigma));
    std::vector<double> columns(p.data.size()), expected(p.data.size());
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int k = 0; k < kTaps; ++k)
          columns[static_cast<size_t>(y * w + x)] += kernel[k] / sum * at(p, x, y + k - kTaps / 2);
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int k = 0; k < kTaps; ++k)
          if (const int i = x + k - kTaps / 2; i >= 0 && i < w)
            expected[static_cast<size_t>(y * w + x)] += kernel[k] / sum * columns[static_cast<size_t>(y * w + i)];
    Plane q = p;
    gaussian_blur(&q, kTaps, kSigma, pool);
    for (size_t i = 0; i < q.data.size(); ++i) ASSERT_NEAR(q.data[i], expected[i], 256 * 3e-6) << w << 'x' << h;
  }
}

TEST(Smooth121, EqualsDefinition) {
  ThreadPool pool(2);
  for (const auto& [w, h] : {std::pair{1, 1}, {1, 4}, {2, 2}, {7, 5}}) {
    std::mt19937 random(2);
    std::vector<uint8_t> in(static_cast<size_t>(w * h * 3)), out(in.size());
    for (uint8_t& v : in) v = static_cast<uint8_t>(random());
    smooth_121({in.data(), w, h, 3}, {out.data(), w, h, 3}, pool);
    const auto mirror = [](int i, int n) { return n == 1 ? 0 : i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; };
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int c = 0; c < 3; ++c) {
          int sum = 0;
          for (int j = -1; j <= 1; ++j)
            for (int i = -1; i <= 1; ++i)
              sum += (2 - std::abs(i)) * (2 - std::abs(j)) *
                     in[static_cast<size_t>((mirror(y + j, h) * w + mirror(x + i, w)) * 3 + c)];
          EXPECT_EQ(out[static_cast<size_t>((y * w + x) * 3 + c)], std::nearbyint(sum / 16.0));
        }
  }
}

TEST(Geometry, ThreadsDoNotMatter) {
  ThreadPool one(1), three(3);
  const Plane p = random_plane(37, 29, 4);
  Affine a;
  a.m[0] = {0.9, 0.2, 1.5};
  a.m[1] = {-0.2, 0.9, 2.5};
  Plane x(40, 31), y(40, 31);
  warp_affine<float, float>(view(p), a, view(x), one);
  warp_affine<float, float>(view(p), a, view(y), three);
  EXPECT_EQ(x.data, y.data);
  gaussian_blur(&x, 101, 4, one);
  gaussian_blur(&y, 101, 4, three);
  EXPECT_EQ(x.data, y.data);
}

}  // namespace
}  // namespace gpen
