// Answers in double precision at a sample of the output, from the reference operators of the tests.
#pragma once
#include "bench/layer.h"

namespace gpen::bench {

struct Sample {
  int64_t channel, row, col;
  double value;
};
// Four output channels, the first and the last among them, in small windows at the corners and at random places.
std::vector<Sample> reference_samples(const LayerData& data, uint32_t seed = 1);

// Largest error over the root mean square of the samples; infinite when any value of the output is not finite.
double sampled_error(const std::vector<Sample>& samples, const TensorView& y);

// What sampled_error() may be. fp32: roundings of a sum of n random terms grow with the square root of n, the
// transforms of Winograd's form add a few. bf16: every factor is rounded by itself, so n does not matter; Winograd's
// transforms amplify it. A wrong index or weight is far above.
double error_limit(const Problem& p, Precision precision = Precision::fp32);

// What a peer library is given of a problem: the plain convolution of the blurred picture (down), the transposed one
// before the blur (up). Sides of its input and output.
int64_t bare_in_side(const Problem& p);
int64_t bare_out_side(const Problem& p);
// One value of it in double precision; weight: OIHW, x: planar.
double bare_value(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x, int64_t o,
                  int64_t row, int64_t col);
// Largest error over the root mean square at 64 positions, the corners among them; y: the output of one image, planar
// or channels last.
double bare_error(const Problem& p, bool channels_last, const std::vector<float>& weight, const std::vector<float>& x,
                  const std::vector<float>& y);
// The values of an activation of the processor, planar.
std::vector<float> planar_copy(const TensorView& t, ThreadPool& pool);
// The problem that make_layer_data(..., bare, ...) makes that input and the weights for.
Problem bare_problem(const Problem& p);

// Fills the output with NaN, so that a value that was not written is seen.
void poison(TensorView y);

}  // namespace gpen::bench
