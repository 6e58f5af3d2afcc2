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

// Fills the output with NaN, so that a value that was not written is seen.
void poison(TensorView y);

}  // namespace gpen::bench
