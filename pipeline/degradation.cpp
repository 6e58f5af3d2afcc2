#include "pipeline/degradation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "pipeline/dct.h"

namespace gpen {

namespace {

constexpr double kPi = std::numbers::pi;
// Power of rounding the crop to 8 bits: step 2/255 of the crop's range, uniform error.
constexpr double kQuantisation = (2.0 / 255) * (2.0 / 255) / 12;
constexpr double kLowestCutoff = 2;  // cycles per crop

// The cubic B-spline: autocorrelation of the triangle that bilinear sampling weights photo pixels with.
double spline(double t) {
  t = std::abs(t);
  if (t >= 2) return 0;
  return t < 1 ? 2.0 / 3 - t * t + t * t * t / 2 : (2 - t) * (2 - t) * (2 - t) / 6;
}

// g(f): noise power per crop pixel of white noise of power 1 per photo pixel. Bilinear samples that lie d crop pixels
// apart, at phases that take all values, have the covariance spline(d s) on each axis; its cosine series is the power
// spectrum. Taken along the diagonal: how the crop is turned in the photo does not matter much.
double noise_shape(double face_scale, double f) {
  if (face_scale == 1) return 1;  // the photo's own pixels
  double axis = spline(0);
  for (int d = 1; d * face_scale < 2; ++d)
    axis += 2 * spline(d * face_scale) * std::cos(2 * kPi * d * f / std::numbers::sqrt2);
  return axis * axis;
}
double noise_power(const Degradation& d, double f) {
  return d.noise_sigma * d.noise_sigma * noise_shape(d.face_scale, f) + kQuantisation;
}
double signal_power(const Degradation& d, double f) {
  const double b = blur_response(d, f);
  return d.signal_power * std::pow(f / d.f1, -d.signal_slope) * b * b;
}

// The part of the crop that is looked at, with its transform.
struct Window {
  int size;
  Dct dct;
  double frequency(double index) const { return index / (2.0 * size); }  // cycles per crop pixel
  int64_t plane() const { return int64_t{size} * size; }
};

std::vector<float> cut_window(const float* crop, int crop_size, const Window& window) {
  const int64_t n = window.size, offset = (crop_size - n) / 2;
  std::vector<float> out(3 * window.plane());
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t j = 0; j < n; ++j) {
      const float* row = crop + (c * crop_size + offset + j) * crop_size + offset;
      std::copy(row, row + n, out.begin() + (c * n + j) * n);
    }
  return out;
}

// Standard deviation of the noise of a photo pixel (step 2 of the header).
double measure_noise(const std::vector<float>& pixels, const Window& window, double face_scale, ThreadPool& pool) {
  // An enlarged crop ends at face_scale/2; one that is not has its noise in the corners of the spectrum as well.
  const double low = 0.4 * std::min(1.0, face_scale), high = face_scale < 1 ? 0.5 * face_scale : 1.0;
  const int64_t n = window.size;
  const int band = static_cast<int>(std::min(1.0 * n, std::ceil(high * 2 * n) + 1));
  std::vector<float> detail = pixels;
  window.dct.forward(detail.data(), 3, band, pool);
  std::vector<int64_t> kept_in_ring(2 * n);
  for (int64_t v = 0; v < n; ++v)
    for (int64_t u = 0; u < n; ++u) {
      const double radius = std::sqrt(static_cast<double>(u * u + v * v)), f = window.frequency(radius);
      if (u < band && v < band && f >= low && f <= high) {
        ++kept_in_ring[static_cast<size_t>(radius)];
      } else {
        for (int64_t c = 0; c < 3; ++c) detail[c * n * n + v * n + u] = 0;
      }
    }
  int64_t kept = 0;
  double shape = 0;
  for (int64_t r = 0; r < 2 * n; ++r) {
    kept += kept_in_ring[r];
    if (kept_in_ring[r] > 0) shape += kept_in_ring[r] * noise_shape(face_scale, window.frequency(r + 0.5));
  }
  if (kept < 16) return 0;  // a face of a few pixels: nothing to tell noise from
  window.dct.inverse(detail.data(), 3, band, pool);
  // Without the outer eighth: a picture is not really symmetric about its edges, and the band holds the kink.
  double power = 0;
  const int64_t margin = n / 8;
  std::vector<float> magnitudes;
  for (int64_t c = 0; c < 3; ++c) {
    magnitudes.clear();
    for (int64_t j = margin; j < n - margin; ++j)
      for (int64_t i = margin; i < n - margin; ++i) magnitudes.push_back(std::abs(detail[c * n * n + j * n + i]));
    const auto middle = magnitudes.begin() + static_cast<int64_t>(magnitudes.size()) / 2;
    std::nth_element(magnitudes.begin(), middle, magnitudes.end());
    const double sigma = *middle / 0.6745;
    power += sigma * sigma / 3;
  }
  // The detail's variance is the sum of the kept coefficients' powers over the number of pixels.
  const double mean_quantisation = kQuantisation * kept / (n * n);
  return std::sqrt(std::max(0.0, power - mean_quantisation) / (shape / (n * n)));
}

struct Ring {
  double f = 0, power = 0, count = 0;
};

// Mean power per pixel of the coefficients of equal frequency, mean over the three channels.
std::vector<Ring> ring_spectrum(std::vector<float> pixels, const Window& window, ThreadPool& pool) {
  const int64_t n = window.size;
  std::vector<double> hann(n);
  for (int64_t i = 0; i < n; ++i) hann[i] = std::pow(std::sin(kPi * (i + 0.5) / n), 2);
  for (int64_t c = 0; c < 3; ++c) {
    float* plane = pixels.data() + c * n * n;
    double mean = 0, weights = 0;  // weighted by the window, so that no power is left at frequency 0
    for (int64_t k = 0; k < n * n; ++k) {
      const double weight = hann[k / n] * hann[k % n];
      mean += weight * plane[k];
      weights += weight;
    }
    mean /= weights;
    for (int64_t k = 0; k < n * n; ++k) plane[k] = static_cast<float>((plane[k] - mean) * (hann[k / n] * hann[k % n]));
  }
  window.dct.forward(pixels.data(), 3, static_cast<int>(n), pool);
  const double window_power = 9.0 / 64;  // mean of hann^2 is 3/8 on each axis
  std::vector<Ring> rings(n);
  for (int64_t k = 0; k < n * n; ++k) {
    const int64_t u = k % n, v = k / n;
    const int64_t ring = static_cast<int64_t>(std::sqrt(static_cast<double>(u * u + v * v)) + 0.5);
    if (ring >= n) continue;
    for (int64_t c = 0; c < 3; ++c) rings[ring].power += double{pixels[c * n * n + k]} * pixels[c * n * n + k];
    rings[ring].count += 3;
  }
  for (int64_t r = 0; r < n; ++r) {
    rings[r].f = window.frequency(static_cast<double>(r));
    rings[r].power /= std::max(1.0, rings[r].count) * window_power;
  }
  return rings;
}

// The rings that the signal's model is fitted to: logarithm of the power above the noise.
struct Sample {
  double f, log_power, weight;
};

// Also ends `limit` where the noise takes over.
std::vector<Sample> signal_samples(const std::vector<Ring>& rings, const Degradation& d, double* limit) {
  std::vector<Sample> samples;
  // Rings 0 to 3 hold the window's own spectrum and the composition of the picture. A ring's relative error grows as
  // the noise that is subtracted from it (for each coefficient by 1/share), and so does the harm of a noise that fine
  // texture has made too large: weight count * share^2, and nothing within half of the noise's power of the noise.
  for (size_t r = 4; r < rings.size() && rings[r].f <= *limit; ++r) {
    const double noise = noise_power(d, rings[r].f);
    if (rings[r].power < 1.5 * noise) {
      *limit = rings[r].f;
      break;
    }
    const double share = 1 - noise / rings[r].power;
    samples.push_back({rings[r].f, std::log(rings[r].power - noise), rings[r].count * share * share});
  }
  return samples;
}

// Least squares of log_power = ln(signal_power) - slope ln(f/f1) - 4 pi^2 sigma^2 f^2 (step 3 of the header): for each
// slope a straight line over f^2, whose fall is no less than the one of the sigma that d comes with.
void fit_signal(const std::vector<Sample>& samples, Degradation* d) {
  d->signal_power = 0;
  const double least_fall = 4 * kPi * kPi * d->blur_sigma * d->blur_sigma;
  double best = std::numeric_limits<double>::infinity();
  for (int tenths = 20; tenths <= 30 && !samples.empty(); ++tenths) {
    const double slope = tenths / 10.0;
    const auto height = [&](const Sample& s) { return s.log_power + slope * std::log(s.f / d->f1); };
    double weight = 0, x = 0, y = 0;
    for (const Sample& s : samples) {
      weight += s.weight;
      x += s.weight * s.f * s.f;
      y += s.weight * height(s);
    }
    x /= weight;
    y /= weight;
    double xx = 0, xy = 0;
    for (const Sample& s : samples) {
      xx += s.weight * (s.f * s.f - x) * (s.f * s.f - x);
      xy += s.weight * (s.f * s.f - x) * (height(s) - y);
    }
    const double fall = std::max(least_fall, samples.size() < 4 ? 0.0 : -xy / xx);
    double error = 0;
    for (const Sample& s : samples) error += s.weight * std::pow(height(s) - y + fall * (s.f * s.f - x), 2);
    if (error < best) {
      best = error;
      d->signal_slope = slope;
      d->signal_power = std::exp(y + fall * x);
      d->blur_sigma = std::sqrt(fall) / (2 * kPi);
    }
  }
}

// Step 4 of the header.
double find_cutoff(const Degradation& d, double limit, int crop_size) {
  const double lowest = std::min(kLowestCutoff / crop_size, 0.5);
  const int steps = 4096;
  for (int i = 1; i <= steps; ++i) {
    const double f = 0.5 * i / steps;
    if (f >= limit) return std::max(limit, lowest);
    if (f >= lowest && signal_power(d, f) < noise_power(d, f)) return f;
  }
  return 0.5;
}

}  // namespace

Result<Degradation> estimate_degradation(const float* crop, int size, double face_scale, ThreadPool& pool) {
  if (!Dct::supports(size))
    return fail(Code::usage, "degradation: crop of ", size, " pixels, expected a power of two from 16 to 4096");
  if (!std::isfinite(face_scale) || face_scale <= 0)
    return fail(Code::usage, "degradation: face scale ", face_scale, ", expected a positive number");
  for (int64_t k = 0; k < int64_t{3} * size * size; ++k)
    if (!std::isfinite(crop[k])) return fail(Code::usage, "degradation: the crop holds a value that is not finite");

  Degradation d;
  d.f1 = 1.0 / size;
  d.face_scale = face_scale;
  const double enlarged = std::max(1.0, 1 / face_scale);
  double limit = 0.5 / enlarged;
  d.blur_sigma = std::sqrt((enlarged * enlarged - 1) / 4);

  const int window_size = size >= 256 ? size / 2 : size;
  const Window window{window_size, Dct(window_size)};
  std::vector<float> pixels = cut_window(crop, size, window);
  d.noise_sigma = measure_noise(pixels, window, face_scale, pool);
  fit_signal(signal_samples(ring_spectrum(std::move(pixels), window, pool), d, &limit), &d);
  d.cutoff = find_cutoff(d, limit, size);
  return d;
}

double blur_response(const Degradation& d, double f) {
  return std::exp(-2 * kPi * kPi * d.blur_sigma * d.blur_sigma * f * f);
}

double trust(const Degradation& d, double f) {
  if (f <= 0) return 1;
  if (f >= d.cutoff) return 0;
  const double signal = signal_power(d, f);
  const double wiener = std::isfinite(signal) ? signal / (signal + noise_power(d, f)) : 1;
  const double start = 0.8 * d.cutoff;
  const double fall = f <= start ? 1 : 0.5 + 0.5 * std::cos(kPi * (f - start) / (d.cutoff - start));
  return wiener * fall;
}

}  // namespace gpen
