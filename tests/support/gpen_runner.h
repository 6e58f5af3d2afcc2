// One forward() of a GPEN with everything it can answer, and how far two answers are apart.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers/gpen.h"

namespace gpen::test {

struct Answer {
  std::vector<float> output, encoder_4x4, latent;
};

inline Answer forward(GpenNet& net, std::vector<float> input, int64_t n, uint64_t seed = 0) {
  const int64_t in = net.arch().in_size, out = net.arch().out_size;
  Answer a;
  a.output.assign(static_cast<size_t>(n * 3 * out * out), NAN);
  GpenNet::Extra extra;
  extra.encoder_4x4 = &a.encoder_4x4;
  extra.latent = &a.latent;
  const Status s =
      net.forward(make_view(input.data(), n, 3, in, in), make_view(a.output.data(), n, 3, out, out), seed, &extra);
  EXPECT_TRUE(s.ok()) << s.message();
  return a;
}

// Largest error over largest value; infinite when something is not finite.
inline double error(const std::vector<float>& expected, const std::vector<float>& actual) {
  if (expected.size() != actual.size()) return INFINITY;
  double worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) return INFINITY;
    worst = std::max(worst, std::abs(static_cast<double>(expected[i]) - actual[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return worst / largest;
}

}  // namespace gpen::test
