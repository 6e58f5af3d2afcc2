#include "pipeline/consistency.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pipeline/dct.h"

namespace gpen {

namespace {

// b at coefficient (u, v) is axis[u] * axis[v]: a Gaussian is separable.
std::vector<float> blur_axis(const Degradation& d, int size, int crop_size) {
  std::vector<float> axis(size);
  for (int k = 0; k < size; ++k) axis[k] = static_cast<float>(blur_response(d, k / (2.0 * crop_size)));
  return axis;
}

}  // namespace

ConsistencyResponse ConsistencyBand::response(double lambda, const float* weights_at, const float* blur_at) const {
  return {band, static_cast<float>(last), scale, static_cast<float>(lambda), kConsistencySteps, weights_at, blur_at};
}

ConsistencyBand make_band(const Degradation& d, int input_size, int output_size) {
  ConsistencyBand b;
  b.last = 2.0 * input_size * d.cutoff;
  b.band = static_cast<int>(std::clamp(std::ceil(b.last), 1.0, static_cast<double>(input_size)));
  // The transform is orthonormal, and a pixel of the larger picture smaller.
  b.scale = static_cast<float>(output_size) / static_cast<float>(input_size);
  // One exponential and one power for each of some thousand radii instead of each of a million coefficients.
  constexpr int kPerIndex = ConsistencyResponse::kWeightsPerIndex;
  for (int i = 0; i <= static_cast<int>(std::hypot(b.band, b.band) * kPerIndex) + 2; ++i)
    b.weights.push_back(static_cast<float>(trust(d, static_cast<double>(i) / kPerIndex / (2.0 * input_size))));
  b.blur = blur_axis(d, b.band, input_size);
  return b;
}

Status check_consistency_sizes(int input_size, int output_size) {
  if (!Dct::supports(input_size) || !Dct::supports(output_size) || output_size < input_size)
    return fail(Code::usage, "consistency: input of ", input_size, " and output of ", output_size,
                " pixels, expected powers of two from 16 to 4096, the output no smaller than the input");
  return {};
}

Status check_consistency_lambda(double lambda) {
  if (!(lambda >= 0 && lambda <= 1)) return fail(Code::usage, "consistency: lambda ", lambda, ", expected 0 to 1");
  return {};
}

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
  GPEN_RETURN_IF_ERROR(check_consistency_sizes(input_size, output_size));
  GPEN_RETURN_IF_ERROR(check_consistency_lambda(lambda));
  if (lambda == 0) return {};
  const int64_t in_plane = int64_t{input_size} * input_size, out_plane = int64_t{output_size} * output_size;
  if (!all_finite(input, 3 * in_plane, pool) || !all_finite(output, 3 * out_plane, pool))
    return fail(Code::usage, "consistency: the face holds a value that is not finite");

  // Coefficients up to the cutoff, in both pictures.
  const ConsistencyBand limits = make_band(d, input_size, output_size);
  const ConsistencyResponse response = limits.response(lambda, limits.weights.data(), limits.blur.data());
  const int band = limits.band;
  std::vector<float> x(input, input + 3 * in_plane), y(output, output + 3 * out_plane);
  Dct(input_size).forward(x.data(), 3, band, pool);
  const Dct output_dct(output_size);
  output_dct.forward(y.data(), 3, band, pool);

  // y becomes its correction.
  pool.parallel_for(output_size, [&](int64_t v, int) {
    float* row = y.data() + v * output_size;
    for (int64_t c = 0; c < 3; ++c)
      std::fill(row + c * out_plane + (v < band ? band : 0), row + c * out_plane + output_size, 0.0f);
    if (v >= band) return;
    for (int64_t u = 0; u < band; ++u) {
      const CoefficientCorrection correction(response, static_cast<int>(u), static_cast<int>(v));
      for (int64_t c = 0; c < 3; ++c) {
        float& value = row[c * out_plane + u];
        value = correction(response.scale * x[c * in_plane + v * input_size + u], value);
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
