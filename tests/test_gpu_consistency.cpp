// Closed-loop consistency on a device: the processor's answer, in any order of blocks, warps and lanes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numbers>

#include "pipeline/device_consistency.h"
#include "support/device_pictures.h"
#include "support/natural_picture.h"

namespace gpen {
namespace {

using namespace test;

struct Faces {
  std::vector<float> input, output;  // 3 planes each
  Degradation estimated;             // of the input
};

struct Sizes {
  int input, output;
};
constexpr Sizes kFaceSizes[] = {{16, 16}, {32, 32}, {64, 64}, {16, 32}, {32, 64}, {64, 128}};

class GpuConsistency : public DevicePictures {
 protected:
  // A blurred and noisy input, and a sharp answer of somewhat other content and tint.
  Faces faces(const Sizes& size) {
    Faces f;
    f.input = natural_picture(size.input, 2.2, 1.2, 0.03, 100, pool_);
    f.output = natural_picture(size.output, 2.2, 0, 0, 100, pool_);
    const std::vector<float> other = natural_picture(size.output, 2.2, 0, 0, 101, pool_, 0.1);
    for (size_t k = 0; k < f.output.size(); ++k) f.output[k] += other[k] + 0.05f;
    f.estimated = estimate_degradation(f.input.data(), size.input, 0.5, pool_).value();
    return f;
  }
  // Estimated; known; nothing but the mean trusted; everything trusted, without blur.
  static std::vector<Degradation> degradations(const Faces& f, int size) {
    std::vector<Degradation> all(4);
    all[0] = f.estimated;
    all[1].blur_sigma = 1.5;
    all[1].noise_sigma = 0.03;
    all[1].cutoff = 0.2;
    all[1].signal_power = 100;
    all[2].cutoff = 0.01 / size;
    all[3].signal_power = 1e6;
    for (size_t k = 1; k < all.size(); ++k) all[k].f1 = 1.0 / size;
    return all;
  }
  DeviceConsistency make(const Sizes& size) {
    return DeviceConsistency::make(device_, size.input, size.output).value();
  }
  static Status enforce(DeviceConsistency& consistency, const Sizes& size, const DeviceBuffer& input,
                        const DeviceBuffer& output, double lambda, const Degradation& d) {
    GPEN_RETURN_IF_ERROR(consistency.prepare({make_band(d, size.input, size.output)}));
    return consistency.enforce(0, input.floats(), output.floats(), lambda);
  }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuConsistency, testing::ValuesIn(picture_cases()), case_name);

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    const double difference = std::abs(double{a[k]} - b[k]);
    if (!(difference <= worst)) worst = difference;  // NaN, too
  }
  return worst;
}

TEST_P(GpuConsistency, GivesTheProcessorsAnswer) {
  for (const Sizes& size : kFaceSizes) {
    const Faces f = faces(size);
    const auto [least, most] = std::minmax_element(f.output.begin(), f.output.end());
    const double range = *most - *least;
    const DeviceBuffer input = on_device(f.input);
    DeviceConsistency consistency = make(size);  // one for all: what a larger band leaves must not disturb a smaller
    const std::vector<Degradation> cases = degradations(f, size.input);
    for (size_t which : {3, 0, 1, 2, 3})
      for (double lambda : {0.1, 1.0}) {
        SCOPED_TRACE(concat(size.input, " to ", size.output, ", degradation ", which, ", lambda ", lambda));
        std::vector<float> expected = f.output;
        ASSERT_TRUE(
            enforce_consistency(f.input.data(), size.input, expected.data(), size.output, lambda, cases[which], pool_)
                .ok());
        const DeviceBuffer output = on_device(f.output);
        ASSERT_TRUE(enforce(consistency, size, input, output, lambda, cases[which]).ok());
        const std::vector<float> got = back(output.floats(), f.output.size());
        EXPECT_LE(largest_difference(got, expected), 2e-5 * range);
        EXPECT_GT(largest_difference(got, f.output), 1e-3) << "something has been done";
        EXPECT_EQ(back(input.floats(), f.input.size()), f.input);
      }
  }
}

TEST_P(GpuConsistency, LambdaZeroChangesNoBit) {
  const Sizes size{16, 16};
  Faces f = faces(size);
  f.output[5] = -0.0f;
  f.output[6] = std::numeric_limits<float>::quiet_NaN();
  f.output[7] = std::numeric_limits<float>::denorm_min();
  const DeviceBuffer input = on_device(f.input), output = on_device(f.output);
  DeviceConsistency consistency = make(size);
  ASSERT_TRUE(enforce(consistency, size, input, output, 0, f.estimated).ok());
  const std::vector<float> got = back(output.floats(), f.output.size());
  EXPECT_EQ(std::memcmp(got.data(), f.output.data(), got.size() * sizeof(float)), 0);
}

TEST_P(GpuConsistency, AnUnchangedInputStays) {
  const Sizes size{32, 32};
  const Faces f = faces(size);
  const DeviceBuffer input = on_device(f.input), output = on_device(f.input);
  DeviceConsistency consistency = make(size);
  for (const Degradation& d : degradations(f, size.input))
    ASSERT_TRUE(enforce(consistency, size, input, output, 1, d).ok());
  EXPECT_LE(largest_difference(back(output.floats(), f.input.size()), f.input), 1e-6);
}

// The coefficients themselves, beside the processor's fast transform, for bands around the tile and the padding.
TEST_P(GpuConsistency, ForwardIsTheCosineTransformAndTheInverseItsInverse) {
  constexpr int n = 128;
  constexpr size_t kSide = n;
  const std::vector<float> picture = natural_picture(n, 2, 0, 0.1, 7, pool_);
  std::vector<float> spectrum = picture, matrix(static_cast<size_t>(n) * n), transposed(matrix.size());
  Dct(n).forward(spectrum.data(), 3, n, pool_);
  for (size_t k = 0; k < kSide; ++k)
    for (size_t i = 0; i < kSide; ++i)
      matrix[k * kSide + i] = transposed[i * kSide + k] =
          static_cast<float>(std::sqrt((k == 0 ? 1.0 : 2.0) / n) *
                             std::cos(std::numbers::pi * static_cast<double>((2 * i + 1) * k) / (2.0 * n)));
  const DeviceBuffer cosines = on_device(matrix), back_cosines = on_device(transposed), planes = on_device(picture);
  const CosineTransform transform{n, cosines.floats(), back_cosines.floats()};
  for (const int band : {1, 15, 16, 17, 63, 64, 65, 100, 128}) {
    SCOPED_TRACE(band);
    const auto stored = static_cast<size_t>(padded_band(band)), wanted = static_cast<size_t>(band);
    const DeviceBuffer scratch = new_floats(3 * stored * kSide), coefficients = new_floats(3 * stored * stored);
    kernels().consistency.forward(*device_, transform, planes.floats(), band, scratch.floats(), coefficients.floats());
    std::vector<float> got = back(coefficients.floats(), 3 * stored * stored);
    std::vector<float> kept(picture.size(), 0.0f);
    for (size_t c = 0; c < 3; ++c)
      for (size_t v = 0; v < stored; ++v)
        for (size_t u = 0; u < stored; ++u) {
          float& value = got[(c * stored + v) * stored + u];
          if (u >= wanted || v >= wanted) {
            value = 0;
            continue;
          }
          kept[(c * kSide + v) * kSide + u] = value;
          ASSERT_NEAR(value, spectrum[(c * kSide + v) * kSide + u], 1e-5) << c << " " << v << " " << u;
        }
    // Back again, onto a picture of ones.
    Dct(n).inverse(kept.data(), 3, band, pool_);
    const DeviceBuffer only_band = on_device(got), sum = on_device(std::vector<float>(picture.size(), 1.0f));
    kernels().consistency.add_inverse(*device_, transform, only_band.floats(), band, scratch.floats(), sum.floats());
    const std::vector<float> result = back(sum.floats(), picture.size());
    for (size_t k = 0; k < result.size(); ++k) ASSERT_NEAR(result[k], 1 + kept[k], 3e-6) << k;
  }
}

TEST_P(GpuConsistency, RefusesWhatMakesNoSense) {
  const Sizes size{16, 16};
  const Faces f = faces(size);
  for (const Sizes& bad : {Sizes{30, 32}, Sizes{32, 0}, Sizes{32, 16}, Sizes{8, 16}})
    EXPECT_EQ(DeviceConsistency::make(device_, bad.input, bad.output).status().code(), Code::usage);
  const DeviceBuffer input = on_device(f.input), output = on_device(f.output);
  DeviceConsistency consistency = make(size);
  for (double lambda : {-0.1, 1.01, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(enforce(consistency, size, input, output, lambda, f.estimated).code(), Code::usage);
  EXPECT_EQ(back(output.floats(), f.output.size()), f.output);
  for (const int band : {0, 17}) {
    kernels().consistency.forward(*device_, {16, input.floats(), input.floats()}, input.floats(), band, output.floats(),
                                  output.floats());
    EXPECT_EQ(device_->finish().code(), Code::internal);
  }
}

}  // namespace
}  // namespace gpen
