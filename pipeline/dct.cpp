#include "pipeline/dct.h"

#include <cmath>
#include <numbers>

namespace gpen {

namespace {

constexpr int kLanes = 16;  // rows or columns transformed together; element k of lane l lies at k * kLanes + l

void roots(int count, double step, std::vector<float>& re, std::vector<float>& im) {
  re.resize(count);
  im.resize(count);
  for (int k = 0; k < count; ++k) {
    re[k] = static_cast<float>(std::cos(step * k));
    im[k] = static_cast<float>(-std::sin(step * k));
  }
}

// Sample of the reordered sequence v: even samples ascending, then odd samples descending.
int reordered(int n, int size) { return n < size / 2 ? 2 * n : 2 * (size - n) - 1; }

}  // namespace

Dct::Dct(int size) : size_(size) {
  const int half = size / 2;
  int bits = 0;
  while ((1 << bits) < half) ++bits;
  reversed_.assign(half, 0);
  for (int i = 0; i < half; ++i)
    for (int b = 0; b < bits; ++b) reversed_[i] |= ((i >> b) & 1) << (bits - 1 - b);
  roots(half / 2, 2 * std::numbers::pi / half, cos_, sin_);
  roots(half / 2 + 1, 2 * std::numbers::pi / size, split_cos_, split_sin_);
  roots(half + 1, std::numbers::pi / (2.0 * size), turn_cos_, turn_sin_);
}

// In place over bit-reversed input, decimation in time; unscaled.
template <bool kInverse>
void Dct::fft(float* re, float* im) const {
  const int n = size_ / 2;
  for (int length = 2; length <= n; length *= 2) {
    const int half = length / 2, stride = n / length;
    for (int start = 0; start < n; start += length)
      for (int j = 0; j < half; ++j) {
        const float wr = cos_[j * stride], wi = kInverse ? -sin_[j * stride] : sin_[j * stride];
        float* __restrict ar = re + (start + j) * kLanes;
        float* __restrict ai = im + (start + j) * kLanes;
        float* __restrict br = ar + half * kLanes;
        float* __restrict bi = ai + half * kLanes;
        for (int l = 0; l < kLanes; ++l) {
          const float tr = wr * br[l] - wi * bi[l], ti = wr * bi[l] + wi * br[l];
          const float ur = ar[l], ui = ai[l];
          ar[l] = ur + tr;
          ai[l] = ui + ti;
          br[l] = ur - tr;
          bi[l] = ui - ti;
        }
      }
  }
}

void Dct::forward_lanes(const float* in, float* out, float* work) const {
  const int n = size_, half = n / 2;
  float* re = work;
  float* im = work + half * kLanes;
  for (int i = 0; i < half; ++i) {
    const float* even = in + reordered(2 * i, n) * kLanes;
    const float* odd = in + reordered(2 * i + 1, n) * kLanes;
    for (int l = 0; l < kLanes; ++l) re[reversed_[i] * kLanes + l] = even[l];
    for (int l = 0; l < kLanes; ++l) im[reversed_[i] * kLanes + l] = odd[l];
  }
  fft<false>(re, im);
  // V[k] = E + exp(-2 pi i k/N) O from the packed transform Z; C[k] - i C[N-k] = exp(-pi i k/2N) V[k].
  const float scale = static_cast<float>(std::sqrt(2.0 / n)), scale0 = static_cast<float>(std::sqrt(1.0 / n));
  for (int l = 0; l < kLanes; ++l) {
    out[l] = scale0 * (re[l] + im[l]);
    out[half * kLanes + l] = scale0 * (re[l] - im[l]);  // cos(pi/4) sqrt(2/N) = sqrt(1/N)
  }
  for (int k = 1; k <= half / 2; ++k) {
    const int m = half - k;
    const float sr = split_cos_[k], si = split_sin_[k];
    const float kr = scale * turn_cos_[k], ki = scale * turn_sin_[k];
    const float mr = scale * turn_cos_[m], mi = scale * turn_sin_[m];
    for (int l = 0; l < kLanes; ++l) {
      const float ar = re[k * kLanes + l], ai = im[k * kLanes + l];
      const float br = re[m * kLanes + l], bi = im[m * kLanes + l];
      const float er = 0.5f * (ar + br), ei = 0.5f * (ai - bi);    // E[k]
      const float odr = 0.5f * (ai + bi), odi = 0.5f * (br - ar);  // O[k]
      const float tr = sr * odr - si * odi, ti = sr * odi + si * odr;
      const float vr = er + tr, vi = ei + ti;     // V[k]
      const float xr = er - tr, xi = -(ei - ti);  // V[half-k] = conj(E[k] - exp(..)O[k])
      out[k * kLanes + l] = kr * vr - ki * vi;
      out[(n - k) * kLanes + l] = -(kr * vi + ki * vr);
      out[m * kLanes + l] = mr * xr - mi * xi;
      out[(n - m) * kLanes + l] = -(mr * xi + mi * xr);
    }
  }
}

void Dct::inverse_lanes(const float* in, float* out, float* work) const {
  const int n = size_, half = n / 2;
  float* re = work;
  float* im = work + half * kLanes;
  // V[k] = exp(pi i k/2N) (C[k] - i C[N-k]); Z[k] = (V[k] + V'[half-k])/2 + i exp(2 pi i k/N) (V[k] - V'[half-k])/2
  // with ' the conjugate, since V[k + half] = V'[half - k] for a real sequence. 1/half of the inverse FFT and 1/scale
  // of the orthonormal coefficients are one factor.
  const float unscale = static_cast<float>(std::sqrt(n / 2.0) / half);
  const float unscale0 = static_cast<float>(std::sqrt(1.0 * n) / half);
  for (int l = 0; l < kLanes; ++l) {
    // V[0] = C[0], V[half] = C[half] / cos(pi/4): both real.
    const float v0 = unscale0 * in[l], vh = unscale0 * in[half * kLanes + l];
    re[l] = 0.5f * (v0 + vh);
    im[l] = 0.5f * (v0 - vh);
  }
  for (int k = 1; k <= half / 2; ++k) {
    const int m = half - k;
    const float sr = split_cos_[k], si = -split_sin_[k];
    const float kr = unscale * turn_cos_[k], ki = -unscale * turn_sin_[k];
    const float mr = unscale * turn_cos_[m], mi = -unscale * turn_sin_[m];
    const int pk = reversed_[k] * kLanes, pm = reversed_[m] * kLanes;
    for (int l = 0; l < kLanes; ++l) {
      const float ck = in[k * kLanes + l], cnk = -in[(n - k) * kLanes + l];
      const float cm = in[m * kLanes + l], cnm = -in[(n - m) * kLanes + l];
      const float ar = kr * ck - ki * cnk, ai = kr * cnk + ki * ck;  // V[k]
      const float br = mr * cm - mi * cnm, bi = mr * cnm + mi * cm;  // V[half-k]
      const float er = 0.5f * (ar + br), ei = 0.5f * (ai - bi);
      const float dr = 0.5f * (ar - br), di = 0.5f * (ai + bi);
      const float odr = sr * dr - si * di, odi = sr * di + si * dr;  // O[k]
      re[pk + l] = er - odi;                                         // Z[k] = E + iO
      im[pk + l] = ei + odr;
      re[pm + l] = er + odi;  // Z[half-k] = conj(E) + i conj(O)
      im[pm + l] = odr - ei;
    }
  }
  fft<true>(re, im);
  for (int i = 0; i < half; ++i) {
    float* even = out + reordered(2 * i, n) * kLanes;
    float* odd = out + reordered(2 * i + 1, n) * kLanes;
    for (int l = 0; l < kLanes; ++l) even[l] = re[i * kLanes + l];
    for (int l = 0; l < kLanes; ++l) odd[l] = im[i * kLanes + l];
  }
}

template <bool kInverse>
void Dct::columns(float* planes, int count, int band, ThreadPool& pool) const {
  const int64_t n = size_, groups = (band + kLanes - 1) / kLanes;
  std::vector<float> scratch(pool.size() * n * kLanes * 3);
  pool.parallel_for(count * groups, [&](int64_t item, int thread) {
    float* in = scratch.data() + thread * n * kLanes * 3;
    float* out = in + n * kLanes;
    float* first = planes + item / groups * n * n + item % groups * kLanes;
    for (int64_t j = 0; j < n; ++j)
      for (int l = 0; l < kLanes; ++l) in[j * kLanes + l] = first[j * n + l];
    if constexpr (kInverse)
      inverse_lanes(in, out, out + n * kLanes);
    else
      forward_lanes(in, out, out + n * kLanes);
    for (int64_t j = 0; j < n; ++j)
      for (int l = 0; l < kLanes; ++l) first[j * n + l] = out[j * kLanes + l];
  });
}

template <bool kInverse>
void Dct::rows(float* planes, int count, ThreadPool& pool) const {
  const int64_t n = size_, groups = n / kLanes;
  std::vector<float> scratch(pool.size() * n * kLanes * 3);
  pool.parallel_for(count * groups, [&](int64_t item, int thread) {
    float* in = scratch.data() + thread * n * kLanes * 3;
    float* out = in + n * kLanes;
    float* first = planes + item * n * kLanes;
    for (int64_t i = 0; i < n; ++i)
      for (int l = 0; l < kLanes; ++l) in[i * kLanes + l] = first[l * n + i];
    if constexpr (kInverse)
      inverse_lanes(in, out, out + n * kLanes);
    else
      forward_lanes(in, out, out + n * kLanes);
    for (int64_t i = 0; i < n; ++i)
      for (int l = 0; l < kLanes; ++l) first[l * n + i] = out[i * kLanes + l];
  });
}

void Dct::forward(float* planes, int count, int band, ThreadPool& pool) const {
  rows<false>(planes, count, pool);
  columns<false>(planes, count, band, pool);
}

void Dct::inverse(float* planes, int count, int band, ThreadPool& pool) const {
  columns<true>(planes, count, band, pool);
  rows<true>(planes, count, pool);
}

}  // namespace gpen
