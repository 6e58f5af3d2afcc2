// Resizing, warping and smoothing of interleaved pictures. Pixel centres have integer coordinates; sampling is exact
// bilinear in float with double coordinates; bytes are rounded to nearest (ties to even). All functions work on rows in
// parallel and give the same result for any number of threads. Source and destination must not overlap.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "pipeline/image.h"
#include "runtime/thread_pool.h"

namespace gpen {

struct Point {
  double x = 0, y = 0;
};

// (x, y) -> (m00 x + m01 y + m02, m10 x + m11 y + m12)
struct Affine {
  std::array<std::array<double, 3>, 2> m{{{1, 0, 0}, {0, 1, 0}}};
  Point operator()(Point p) const {
    return {m[0][0] * p.x + m[0][1] * p.y + m[0][2], m[1][0] * p.x + m[1][1] * p.y + m[1][2]};
  }
  double determinant() const { return m[0][0] * m[1][1] - m[0][1] * m[1][0]; }
  // Length factor of a similarity: sqrt(|det|).
  double scale() const { return std::sqrt(std::abs(determinant())); }
};
// Exact inverse; the determinant must not be 0.
Affine inverse(const Affine& a);

// A view of interleaved pixels: element (y, x, c) at data[(y * width + x) * channels + c].
template <class T>
struct Pixels {
  T* data = nullptr;
  int width = 0, height = 0, channels = 1;
  T* row(int y) const { return data + int64_t{y} * width * channels; }
  operator Pixels<const T>() const { return {data, width, height, channels}; }
};
inline Pixels<uint8_t> view(Image& i) { return {i.rgb.data(), i.width, i.height, 3}; }
inline Pixels<const uint8_t> view(const Image& i) { return {i.rgb.data(), i.width, i.height, 3}; }

// A picture of one float per pixel (masks).
struct Plane {
  int width = 0, height = 0;
  std::vector<float> data;
  Plane() = default;
  Plane(int w, int h, float value = 0)
      : width(w), height(h), data(static_cast<size_t>(w) * static_cast<size_t>(h), value) {}
};
inline Pixels<float> view(Plane& p) { return {p.data.data(), p.width, p.height, 1}; }
inline Pixels<const float> view(const Plane& p) { return {p.data.data(), p.width, p.height, 1}; }

// A rectangle of pixels [x0, x1) x [y0, y1).
struct Rect {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool empty() const { return x1 <= x0 || y1 <= y0; }
};

// Bilinear without antialiasing: destination pixel i samples the source at (i + 1/2) * step - 1/2, clamped to the
// picture, step_x = source width / destination width unless given. From and to bytes or floats.
template <class In, class Out>
void resize_bilinear(Pixels<const In> source, Pixels<Out> destination, ThreadPool& pool, double step_x = 0,
                     double step_y = 0);
Image resize_bilinear(const Image& image, int width, int height, ThreadPool& pool);  // alpha too

// destination(x, y) = source(to_source(x, y)), bilinear, the outside of the source is 0. 1 or 3 channels.
template <class In, class Out>
void warp_affine(Pixels<const In> source, const Affine& to_source, Pixels<Out> destination, ThreadPool& pool);

// One bilinear sample of a picture of kChannels channels with zeros around it.
template <int kChannels, class In>
inline void sample_bilinear(Pixels<const In> s, Point at, float* out);

// Convolves in place with the separable Gaussian of `taps` (odd) samples of exp(-i^2 / 2 sigma^2), normalised to sum 1;
// the outside is 0. Taps too small to change a float are left out.
void gaussian_blur(Plane* plane, int taps, double sigma, ThreadPool& pool);
// Its filter: the centre's weight and those to one side.
std::vector<float> half_gaussian(int taps, double sigma);

// [1 2 1] x [1 2 1] / 16, mirrored at the border without repeating the edge, rounded to nearest. Sides 1: unchanged.
void smooth_121(Pixels<const uint8_t> source, Pixels<uint8_t> destination, ThreadPool& pool);

// Nearest integer (ties to even), clamped to 0..255.
inline uint8_t to_byte(float v) {
  // Adding 1.5 * 2^23 leaves no bit for the fraction: the sum's own rounding is the one wanted.
  constexpr float kNoFraction = 12582912.0f;
  return static_cast<uint8_t>(std::bit_cast<uint32_t>((v < 0 ? 0 : v > 255 ? 255 : v) + kNoFraction));
}

template <int kChannels, class In>
inline void sample_bilinear(Pixels<const In> s, Point at, float* out) {
  for (int c = 0; c < kChannels; ++c) out[c] = 0;
  // Also false for NaN.
  if (!(at.x > -1 && at.y > -1 && at.x < s.width && at.y < s.height)) return;
  const int x = static_cast<int>(at.x + 1) - 1, y = static_cast<int>(at.y + 1) - 1;  // floor: at > -1
  const float fx = static_cast<float>(at.x - x), fy = static_cast<float>(at.y - y);
  const float w00 = (1 - fx) * (1 - fy), w01 = fx * (1 - fy), w10 = (1 - fx) * fy, w11 = fx * fy;
  if (x >= 0 && y >= 0 && x + 1 < s.width && y + 1 < s.height) {
    const In* p = s.row(y) + int64_t{x} * kChannels;
    const In* q = p + int64_t{s.width} * kChannels;
    for (int c = 0; c < kChannels; ++c)
      out[c] = w00 * p[c] + w01 * p[c + kChannels] + w10 * q[c] + w11 * q[c + kChannels];
    return;
  }
  const auto add = [&](int px, int py, float w) {
    if (px < 0 || py < 0 || px >= s.width || py >= s.height) return;
    const In* p = s.row(py) + int64_t{px} * kChannels;
    for (int c = 0; c < kChannels; ++c) out[c] += w * p[c];
  };
  add(x, y, w00);
  add(x + 1, y, w01);
  add(x, y + 1, w10);
  add(x + 1, y + 1, w11);
}

}  // namespace gpen
