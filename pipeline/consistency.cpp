#include "pipeline/consistency.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pipeline/dct.h"

namespace gpen {

namespace {

// A radial response, tabulated at sixteenths of the coefficient index and interpolated linearly between them: one
// exponential and one power for each of some thousand entries instead of each of a million coefficients.
class RadialTable {
 public:
  // response(i) for indices 0 .. last
  template <class Fn>
  RadialTable(double last, Fn&& response) {
    for (int i = 0; i <= static_cast<int>(last * kPerIndex) + 2; ++i)
      values_.push_back(static_cast<float>(response(static_cast<double>(i) / kPerIndex)));
  }
  float operator()(float index) const {
    const float position = index * kPerIndex;
    const int i = static_cast<int>(position);
    const float t = position - static_cast<float>(i);
    return values_[i] + t * (values_[i + 1] - values_[i]);
  }

 private:
  static constexpr int kPerIndex = 16;
  std::vector<float> values_;
};

// b at coefficient (u, v) is axis[u] * axis[v]: a Gaussian is separable.
std::vector<float> blur_axis(const Degradation& d, int size, int crop_size) {
  std::vector<float> axis(size);
  for (int k = 0; k < size; ++k) axis[k] = static_cast<float>(blur_response(d, k / (2.0 * crop_size)));
  return axis;
}

// w (1 + q + ... + q^(K-1)) with q = 1 - w b: K steps of y += w (x - b y) at once, per x - b y_0.
float steps_gain(float w, float b) {
  float gain = 0;
  for (int k = 0; k < kConsistencySteps; ++k) gain = gain * (1 - w * b) + w;
  return gain;
}

}  // namespace

bool all_finite(const float* values, int64_t count, ThreadPool& pool) {
  constexpr int64_t kChunk = 1 << 16;
  std::vector<char> bad(static_cast<size_t>((count + kChunk - 1) / kChunk), 0);
  pool.parallel_for(static_cast<int64_t>(bad.size()), [&](int64_t chunk, int) {
    // A sum of v * 0 is 0 unless some v is infinite or NaN.
    float sum = 0;
    for (int64_t k = chunk * kChunk; k < std::min(count, (chunk + 1) * kChunk); ++k) sum += values[k] * 0.0f;
    bad[chunk] = sum != 0;
  });
  return std::find(bad.begin(), bad.end(), char{1}) == bad.end();
}

Status enforce_consistency(const float* input, int input_size, float* output, int output_size, double lambda,
                           const Degradation& d, ThreadPool& pool) {
  if (!Dct::supports(input_size) || !Dct::supports(output_size) || output_size < input_size)
    return fail(Code::usage, "consistency: input of ", input_size, " and output of ", output_size,
                " pixels, expected powers of two from 16 to 4096, the output no smaller than the input");
  if (!(lambda >= 0 && lambda <= 1)) return fail(Code::usage, "consistency: lambda ", lambda, ", expected 0 to 1");
  if (lambda == 0) return {};
  const int64_t in_plane = int64_t{input_size} * input_size, out_plane = int64_t{output_size} * output_size;
  if (!all_finite(input, 3 * in_plane, pool) || !all_finite(output, 3 * out_plane, pool))
    return fail(Code::usage, "consistency: the face holds a value that is not finite");

  // Coefficients up to the cutoff, in both pictures. The same detail has output_size/input_size times the coefficient
  // in the larger picture, since the transform is orthonormal and a pixel smaller.
  const double last = 2.0 * input_size * d.cutoff;
  const int band = static_cast<int>(std::clamp(std::ceil(last), 1.0, static_cast<double>(input_size)));
  const float scale = static_cast<float>(output_size) / static_cast<float>(input_size);
  std::vector<float> x(input, input + 3 * in_plane), y(output, output + 3 * out_plane);
  Dct(input_size).forward(x.data(), 3, band, pool);
  const Dct output_dct(output_size);
  output_dct.forward(y.data(), 3, band, pool);

  // y becomes its correction.
  const RadialTable weight(std::hypot(band, band), [&](double index) { return trust(d, index / (2.0 * input_size)); });
  const std::vector<float> blur = blur_axis(d, band, input_size);
  const float strength = static_cast<float>(lambda);
  pool.parallel_for(output_size, [&](int64_t v, int) {
    float* row = y.data() + v * output_size;
    for (int64_t c = 0; c < 3; ++c)
      std::fill(row + c * out_plane + (v < band ? band : 0), row + c * out_plane + output_size, 0.0f);
    if (v >= band) return;
    for (int64_t u = 0; u < band; ++u) {
      const float radius = std::sqrt(static_cast<float>(u * u + v * v));
      const float w = radius < static_cast<float>(last) || radius == 0 ? strength * weight(radius) : 0.0f;
      const float b = blur[u] * blur[v];
      const float weak_gain = steps_gain(w, 1), strong_gain = steps_gain(w, b);
      for (int64_t c = 0; c < 3; ++c) {
        float& value = row[c * out_plane + u];
        const float target = scale * x[c * in_plane + v * input_size + u];
        const float sign = target < 0 ? -1.0f : 1.0f;
        if (sign * value < sign * target)
          value = weak_gain * (target - value);
        else if (sign * b * value > sign * target)
          value = strong_gain * (target - b * value);
        else
          value = 0;
      }
    }
  });
  output_dct.inverse(y.data(), 3, band, pool);
  for (int64_t k = 0; k < 3 * out_plane; ++k) output[k] += y[k];
  return {};
}

Status degrade(float* picture, int size, int crop_size, const Degradation& d, ThreadPool& pool) {
  if (!Dct::supports(size) || crop_size <= 0)
    return fail(Code::usage, "degrade: picture of ", size, " pixels, expected a power of two from 16 to 4096");
  const Dct dct(size);
  const std::vector<float> blur = blur_axis(d, size, crop_size);
  dct.forward(picture, 3, size, pool);
  pool.parallel_for(int64_t{3} * size, [&](int64_t row, int) {
    float* values = picture + row * size;
    for (int64_t u = 0; u < size; ++u) values[u] *= blur[u] * blur[row % size];
  });
  dct.inverse(picture, 3, size, pool);
  return {};
}

}  // namespace gpen
