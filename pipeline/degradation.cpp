#include "pipeline/degradation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numbers>
#include <utility>
#include <vector>

#include "pipeline/dct.h"
#include "pipeline/degradation_measures.h"

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

// Cycles per crop pixel of the coefficient at this radius.
double frequency(int window, double radius) { return radius / (2.0 * window); }

std::vector<float> cut_window(const float* crop, int crop_size, int window) {
  const int64_t n = window, offset = (crop_size - n) / 2;
  std::vector<float> out(static_cast<size_t>(3 * n * n));
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t j = 0; j < n; ++j) {
      const float* row = crop + (c * crop_size + offset + j) * crop_size + offset;
      std::copy(row, row + n, out.begin() + (c * n + j) * n);
    }
  return out;
}

// Step 2 of the header, but for the correction: the pixels of the detail band alone, and their median.
std::array<double, 3> detail_medians(std::vector<float> detail, int window, double face_scale, const Dct& dct,
                                     ThreadPool& pool) {
  const int64_t n = window;
  const DetailBand kept = detail_band(window, face_scale);
  dct.forward(detail.data(), 3, kept.band, pool);
  for (int64_t v = 0; v < n; ++v)
    for (int64_t u = 0; u < n; ++u) {
      const int64_t square = u * u + v * v;
      if (u < kept.band && v < kept.band && square >= kept.first && square <= kept.last) continue;
      for (int64_t c = 0; c < 3; ++c) detail[c * n * n + v * n + u] = 0;
    }
  dct.inverse(detail.data(), 3, kept.band, pool);
  // Without the outer eighth: a picture is not really symmetric about its edges, and the band holds the kink.
  std::array<double, 3> medians{};
  const int64_t margin = n / 8;
  std::vector<float> magnitudes;
  for (int64_t c = 0; c < 3; ++c) {
    magnitudes.clear();
    for (int64_t j = margin; j < n - margin; ++j)
      for (int64_t i = margin; i < n - margin; ++i) magnitudes.push_back(std::abs(detail[c * n * n + j * n + i]));
    const auto middle = magnitudes.begin() + static_cast<int64_t>(magnitudes.size()) / 2;
    std::nth_element(magnitudes.begin(), middle, magnitudes.end());
    medians[c] = *middle;
  }
  return medians;
}

// How many coefficients of a window have which radius.
struct RingCounts {
  std::vector<int64_t> whole;    // by the radius's integer part, below 2 * window
  std::vector<int64_t> nearest;  // by the nearest whole number, below window
};

RingCounts count_rings(int window) {
  RingCounts counts{std::vector<int64_t>(2 * window), std::vector<int64_t>(window)};
  for (int64_t v = 0; v < window; ++v) {
    int64_t whole = v, nearest = v;
    for (int64_t u = 0; u < window; ++u) {
      const int64_t square = u * u + v * v;
      if ((whole + 1) * (whole + 1) <= square) ++whole;
      if (nearest * (nearest + 1) < square) ++nearest;  // beyond nearest + 1/2
      ++counts.whole[whole];
      if (nearest < window) ++counts.nearest[nearest];
    }
  }
  return counts;
}

// Counted once: they depend on the window alone.
const RingCounts& ring_counts(int window) {
  static std::mutex mutex;
  static std::map<int, RingCounts> known;
  const std::lock_guard lock(mutex);
  const auto at = known.find(window);
  return at != known.end() ? at->second : known.emplace(window, count_rings(window)).first->second;
}

// Coefficients of the window with u^2 + v^2 <= square.
int64_t count_up_to(int64_t square, int64_t window) {
  int64_t count = 0;
  for (int64_t v = 0; v < window && v * v <= square; ++v)
    count += std::min(window, static_cast<int64_t>(std::sqrt(static_cast<double>(square - v * v))) + 1);
  return count;
}

// Standard deviation of the noise of a photo pixel, from the medians.
double noise_of(const std::array<double, 3>& medians, int window, double face_scale) {
  const DetailBand band = detail_band(window, face_scale);
  const RingCounts& counts = ring_counts(window);
  // u, v < band is no further restriction: the last radius lies below, or the band is the window.
  const auto kept_in_ring = [&](int64_t r) -> int64_t {
    const int64_t first = std::max(r * r, band.first), last = std::min((r + 1) * (r + 1) - 1, band.last);
    if (first > last) return 0;
    if (first == r * r && last == (r + 1) * (r + 1) - 1) return counts.whole[r];
    return count_up_to(last, window) - count_up_to(first - 1, window);
  };
  int64_t kept = 0;
  double shape = 0;
  for (int64_t r = 0; r < 2 * window; ++r) {
    const int64_t count = kept_in_ring(r);
    kept += count;
    if (count > 0) shape += count * noise_shape(face_scale, frequency(window, r + 0.5));
  }
  if (kept < 16) return 0;  // a face of a few pixels: nothing to tell noise from
  double power = 0;
  for (const double median : medians) power += (median / 0.6745) * (median / 0.6745) / 3;
  // The detail's variance is the sum of the kept coefficients' powers over the number of pixels.
  const double pixels = static_cast<double>(window) * window;
  const double mean_quantisation = kQuantisation * kept / pixels;
  return std::sqrt(std::max(0.0, power - mean_quantisation) / (shape / pixels));
}

struct Ring {
  double f = 0, power = 0, count = 0;
};

// The ring of the coefficient whose radius has this square: the nearest whole radius.
int64_t ring_of(int64_t square) { return static_cast<int64_t>(std::sqrt(static_cast<double>(square)) + 0.5); }

std::vector<double> sum_rings(std::vector<float> pixels, int window, const Dct& dct, ThreadPool& pool) {
  const int64_t n = window;
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
  dct.forward(pixels.data(), 3, window, pool);
  std::vector<double> sums(n);
  for (int64_t k = 0; k < n * n; ++k) {
    const int64_t u = k % n, v = k / n, ring = ring_of(u * u + v * v);
    if (ring >= n) continue;
    for (int64_t c = 0; c < 3; ++c) sums[ring] += double{pixels[c * n * n + k]} * pixels[c * n * n + k];
  }
  return sums;
}

// Mean power per pixel of the coefficients of equal frequency, mean over the three channels.
std::vector<Ring> ring_spectrum(const std::vector<double>& sums, int window) {
  const int64_t n = window;
  std::vector<Ring> rings(n);
  const std::vector<int64_t>& counts = ring_counts(window).nearest;
  const double window_power = 9.0 / 64;  // mean of hann^2 is 3/8 on each axis
  for (int64_t r = 0; r < n; ++r) {
    rings[r].f = frequency(window, static_cast<double>(r));
    rings[r].count = 3.0 * static_cast<double>(counts[r]);
    rings[r].power = sums[r] / (std::max(1.0, rings[r].count) * window_power);
  }
  return rings;
}

// The rings that the signal's model is fitted to: logarithm of the power above the noise.
struct Sample {
  double f, log_power, weight;
  double log_f;  // ln(f/f1)
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
    samples.push_back(
        {rings[r].f, std::log(rings[r].power - noise), rings[r].count * share * share, std::log(rings[r].f / d.f1)});
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
    const auto height = [&](const Sample& s) { return s.log_power + slope * s.log_f; };
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

DetailBand detail_band(int window, double face_scale) {
  // An enlarged crop ends at face_scale/2; one that is not has its noise in the corners of the spectrum as well.
  const double low = 0.4 * std::min(1.0, face_scale), high = face_scale < 1 ? 0.5 * face_scale : 1.0;
  DetailBand b;
  b.band = static_cast<int>(std::min(1.0 * window, std::ceil(high * 2 * window) + 1));
  const auto at = [&](int64_t square) { return frequency(window, std::sqrt(static_cast<double>(square))); };
  const auto near = [&](double f) { return static_cast<int64_t>(4 * f * f * window * window); };
  for (b.first = std::max<int64_t>(0, near(low) - 2); at(b.first) < low;) ++b.first;
  for (b.last = near(high) + 2; b.last >= 0 && at(b.last) > high;) --b.last;
  return b;
}

Status check_degradation(int crop_size, double face_scale) {
  if (!Dct::supports(crop_size))
    return fail(Code::usage, "degradation: crop of ", crop_size, " pixels, expected a power of two from 16 to 4096");
  if (!std::isfinite(face_scale) || face_scale <= 0)
    return fail(Code::usage, "degradation: face scale ", face_scale, ", expected a positive number");
  return Status();
}

Degradation fit_degradation(const DegradationMeasures& measures, int crop_size, double face_scale) {
  Degradation d;
  d.f1 = 1.0 / crop_size;
  d.face_scale = face_scale;
  const double enlarged = std::max(1.0, 1 / face_scale);
  double limit = 0.5 / enlarged;
  d.blur_sigma = std::sqrt((enlarged * enlarged - 1) / 4);
  const int window = degradation_window(crop_size);
  d.noise_sigma = noise_of(measures.detail_median, window, face_scale);
  fit_signal(signal_samples(ring_spectrum(measures.ring_sums, window), d, &limit), &d);
  d.cutoff = find_cutoff(d, limit, crop_size);
  return d;
}

Result<Degradation> estimate_degradation(const float* crop, int size, double face_scale, ThreadPool& pool) {
  GPEN_RETURN_IF_ERROR(check_degradation(size, face_scale));
  for (int64_t k = 0; k < int64_t{3} * size * size; ++k)
    if (!std::isfinite(crop[k])) return fail(Code::usage, "degradation: the crop holds a value that is not finite");
  const int window = degradation_window(size);
  const Dct dct(window);
  const std::vector<float> pixels = cut_window(crop, size, window);
  const DegradationMeasures measures{detail_medians(pixels, window, face_scale, dct, pool),
                                     sum_rings(pixels, window, dct, pool)};
  return fit_degradation(measures, size, face_scale);
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
