#include "pipeline/consistency.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <utility>

#include "support/natural_picture.h"

namespace gpen {
namespace {

using test::natural_picture;

Degradation some_degradation(int size) {
  Degradation d;
  d.blur_sigma = 1.5;
  d.noise_sigma = 0.03;
  d.cutoff = 0.2;
  d.signal_power = 100;
  d.f1 = 1.0 / size;
  return d;
}

struct Pair {
  std::vector<float> input, output;
};
// What a restoration looks like: the input blurred and noisy, the output sharp, and of somewhat other content.
Pair make_pair(int size, ThreadPool& pool) {
  const std::vector<float> truth = natural_picture(size, 2.2, 0, 0, 100, pool);
  const std::vector<float> other = natural_picture(size, 2.2, 0, 0, 101, pool, 0.1);
  Pair pair{truth, truth};
  Degradation blur;
  blur.blur_sigma = 2;
  EXPECT_TRUE(degrade(pair.input.data(), size, size, blur, pool).ok());
  std::mt19937 random(102);
  std::normal_distribution<float> noise(0, 0.03f);
  for (size_t k = 0; k < truth.size(); ++k) {
    pair.input[k] += noise(random);
    pair.output[k] += other[k] + 0.05f;
  }
  return pair;
}

// trust() of every coefficient of a size x size plane.
std::vector<double> trust_plane(int size, const Degradation& d) {
  std::vector<double> weights(static_cast<size_t>(size) * size);
  for (int v = 0; v < size; ++v)
    for (int u = 0; u < size; ++u)
      weights[v * size + u] = trust(d, std::sqrt(1.0 * u * u + 1.0 * v * v) / (2.0 * size));
  return weights;
}

// ||degrade(y) - x|| and ||W (degrade(y) - x)||, W: trust.
std::pair<double, double> distances(const Pair& pair, int size, const Degradation& d,
                                    const std::vector<double>& weights, ThreadPool& pool) {
  std::vector<float> lack = pair.output;
  EXPECT_TRUE(degrade(lack.data(), size, size, d, pool).ok());
  for (size_t k = 0; k < lack.size(); ++k) lack[k] -= pair.input[k];
  Dct(size).forward(lack.data(), 3, size, pool);
  double plain = 0, weighted = 0;
  for (size_t k = 0; k < lack.size(); ++k) {
    const double square = double{lack[k]} * lack[k], w = weights[k % weights.size()];
    plain += square;
    weighted += w * w * square;
  }
  return {std::sqrt(plain), std::sqrt(weighted)};
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t k = 0; k < a.size(); ++k) worst = std::max<double>(worst, std::abs(double{a[k]} - b[k]));
  return worst;
}

TEST(Consistency, LambdaZeroChangesNoBit) {
  ThreadPool pool(2);
  Pair pair = make_pair(64, pool);
  pair.output[5] = -0.0f;
  pair.output[6] = std::numeric_limits<float>::quiet_NaN();
  pair.output[7] = std::numeric_limits<float>::denorm_min();
  const std::vector<float> before = pair.output;
  ASSERT_TRUE(enforce_consistency(pair.input.data(), 64, pair.output.data(), 64, 0, some_degradation(64), pool).ok());
  EXPECT_EQ(std::memcmp(before.data(), pair.output.data(), before.size() * sizeof(float)), 0);
}

// The iteration as it is written, in double: sums over DCT basis functions, one step at a time.
class Basis {
 public:
  explicit Basis(int n) : n_(n), basis_(static_cast<size_t>(n) * n) {
    for (int k = 0; k < n; ++k)
      for (int i = 0; i < n; ++i)
        basis_[k * n + i] =
            std::sqrt((k == 0 ? 1.0 : 2.0) / n) * std::cos(std::numbers::pi * (2 * i + 1) * k / (2.0 * n));
  }
  std::vector<double> transform(const std::vector<double>& x, bool inverse) const {
    std::vector<double> half(x.size()), out(x.size());
    const auto b = [&](int k, int i) { return inverse ? basis_[i * n_ + k] : basis_[k * n_ + i]; };
    for (int j = 0; j < n_; ++j)
      for (int u = 0; u < n_; ++u)
        for (int i = 0; i < n_; ++i) half[j * n_ + u] += b(u, i) * x[j * n_ + i];
    for (int v = 0; v < n_; ++v)
      for (int u = 0; u < n_; ++u)
        for (int j = 0; j < n_; ++j) out[v * n_ + u] += b(v, j) * half[j * n_ + u];
    return out;
  }

 private:
  int n_;
  std::vector<double> basis_;
};

TEST(Consistency, IsTheWrittenIteration) {
  const int n = 32;
  ThreadPool pool(2);
  const Basis basis(n);
  const Degradation d = some_degradation(n);
  for (double lambda : {0.1, 0.5, 1.0}) {
    Pair pair = make_pair(n, pool);
    Pair got = pair;
    ASSERT_TRUE(enforce_consistency(got.input.data(), n, got.output.data(), n, lambda, d, pool).ok());
    int weak = 0, fitting = 0, strong = 0;
    for (int c = 0; c < 3; ++c) {
      const auto x = basis.transform({pair.input.begin() + c * n * n, pair.input.begin() + (c + 1) * n * n}, false);
      auto y = basis.transform({pair.output.begin() + c * n * n, pair.output.begin() + (c + 1) * n * n}, false);
      for (int k = 0; k < n * n; ++k) {
        const double f = std::hypot(k % n, k / n) / (2.0 * n), b = blur_response(d, f), w = trust(d, f);
        const double ratio = y[k] / x[k];
        ++(w == 0 ? fitting : ratio < 1 ? weak : ratio * b > 1 ? strong : fitting);
        for (int step = 0; step < kConsistencySteps; ++step) {
          const double r = y[k] / x[k], nearest = r < 1 ? 1 : r * b > 1 ? b : 1 / r;
          y[k] += lambda * w * (x[k] - nearest * y[k]);
        }
      }
      const auto want = basis.transform(y, true);
      for (int k = 0; k < n * n; ++k)
        // The trust is interpolated in a table: 1e-4 of a correction of at most about 1.
        ASSERT_NEAR(got.output[c * n * n + k], want[k], 1e-4) << "lambda " << lambda << " element " << k;
    }
    EXPECT_GT(std::min({weak, fitting, strong}), 10) << "each of the three cases is met";
    EXPECT_GT(largest_difference(got.output, pair.output), 0.005);
  }
}

// A network that returns its input is consistent with any blur, whatever was estimated.
TEST(Consistency, AnUnchangedInputStays) {
  ThreadPool pool(2);
  const int n = 128;
  for (double scale : {0.2, 1.0}) {
    const Pair pair = make_pair(n, pool);
    const auto d = estimate_degradation(pair.input.data(), n, scale, pool);
    ASSERT_TRUE(d.ok());
    EXPECT_GT(d->blur_sigma, 0.3);
    std::vector<float> y = pair.input;
    ASSERT_TRUE(enforce_consistency(pair.input.data(), n, y.data(), n, 1, *d, pool).ok());
    EXPECT_LE(largest_difference(y, pair.input), 1e-6);
  }
}

TEST(Consistency, DegradeIsAGaussianWithReflectedBorders) {
  const int n = 64, radius = 12;
  ThreadPool pool(2);
  const std::vector<float> x = natural_picture(n, 2, 0, 0.1, 31, pool);
  Degradation d;
  d.blur_sigma = 1.7;
  std::vector<float> got = x;
  ASSERT_TRUE(degrade(got.data(), n, n, d, pool).ok());
  std::vector<double> taps(2 * radius + 1);
  double sum = 0;
  for (int t = -radius; t <= radius; ++t) sum += taps[t + radius] = std::exp(-t * t / (2 * 1.7 * 1.7));
  const auto reflect = [](int i) { return i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i; };
  for (int c = 0; c < 3; ++c)
    for (int j = 0; j < n; j += 7)
      for (int i = 0; i < n; ++i) {
        double want = 0;
        for (int a = -radius; a <= radius; ++a)
          for (int b = -radius; b <= radius; ++b)
            want +=
                taps[a + radius] * taps[b + radius] / (sum * sum) * x[(c * n + reflect(j + a)) * n + reflect(i + b)];
        ASSERT_NEAR(got[(c * n + j) * n + i], want, 2e-6) << c << " " << j << " " << i;
      }
}

class ConsistencySizes : public testing::TestWithParam<int> {};

TEST_P(ConsistencySizes, LargerLambdaComesCloserAndLeavesTheDetailAlone) {
  const int n = GetParam();
  ThreadPool pool(2);
  const Pair pair = make_pair(n, pool);
  const auto d = estimate_degradation(pair.input.data(), n, 0.5, pool);
  ASSERT_TRUE(d.ok());
  EXPECT_GT(d->cutoff, 0.03);
  EXPECT_LT(d->cutoff, 0.3);
  std::vector<float> spectrum = pair.output;
  Dct(n).forward(spectrum.data(), 3, n, pool);

  const std::vector<double> weights = trust_plane(n, *d);
  double plain = std::numeric_limits<double>::infinity(), weighted = plain, first = 0;
  // All of them where it costs little.
  const std::vector<double> lambdas =
      n < 512 ? std::vector<double>{0, 0.1, 0.25, 0.5, 0.75, 1} : std::vector<double>{0, 0.1, 0.5, 1};
  for (double lambda : lambdas) {
    Pair now = pair;
    ASSERT_TRUE(enforce_consistency(now.input.data(), n, now.output.data(), n, lambda, *d, pool).ok());
    const auto [far, far_weighted] = distances(now, n, *d, weights, pool);
    EXPECT_LT(far, plain) << "lambda " << lambda;
    EXPECT_LT(far_weighted, weighted) << "lambda " << lambda;
    plain = far;
    weighted = far_weighted;
    if (lambda == 0) first = far_weighted;

    Dct(n).forward(now.output.data(), 3, n, pool);
    double energy = 0, changed = 0;
    for (size_t k = 0; k < spectrum.size(); ++k)
      if (weights[k % weights.size()] == 0) {  // at and above the cutoff
        const double change = double{now.output[k]} - spectrum[k];
        energy += double{spectrum[k]} * spectrum[k];
        changed += change * change;
      }
    EXPECT_LE(std::sqrt(changed / energy), 1e-5) << "lambda " << lambda;
  }
  EXPECT_LT(weighted, 0.2 * first) << "lambda 1 fulfils most of what is trusted";
}
INSTANTIATE_TEST_SUITE_P(Sizes, ConsistencySizes, testing::Values(64, 128, 256, 512, 1024));

TEST(Consistency, ConstantPicturesStayConstant) {
  ThreadPool pool(2);
  for (int n : {16, 64, 256})
    for (double lambda : {0.1, 1.0}) {
      const std::vector<float> x(static_cast<size_t>(3) * n * n, 0.5f);
      std::vector<float> y(x.size(), -0.25f);
      const auto d = estimate_degradation(x.data(), n, 0.3, pool);
      ASSERT_TRUE(d.ok());
      ASSERT_TRUE(enforce_consistency(x.data(), n, y.data(), n, lambda, *d, pool).ok());
      const double want = 0.5 - 0.75 * std::pow(1 - lambda, kConsistencySteps);
      for (float value : y) ASSERT_EQ(value, y[0]);
      EXPECT_NEAR(y[0], want, 1e-6);
    }
}

TEST(Consistency, AFaceThatAlreadyFitsStays) {
  ThreadPool pool(2);
  const int n = 128;
  const Degradation d = some_degradation(n);
  std::vector<float> y = natural_picture(n, 2.2, 0, 0, 77, pool), x = y;
  ASSERT_TRUE(degrade(x.data(), n, n, d, pool).ok());
  const std::vector<float> before = y;
  ASSERT_TRUE(enforce_consistency(x.data(), n, y.data(), n, 1, d, pool).ok());
  EXPECT_LE(largest_difference(before, y), 5e-6);
}

// A picture beside its mirror image is one period of what the borders stand for: the result must be the same.
TEST(Consistency, BordersAreMirrors) {
  ThreadPool pool(2);
  const int n = 64;
  const Pair pair = make_pair(n, pool);
  const auto mirrored = [](const std::vector<float>& x) {
    std::vector<float> out(4 * x.size());
    for (int c = 0; c < 3; ++c)
      for (int j = 0; j < 2 * n; ++j)
        for (int i = 0; i < 2 * n; ++i)
          out[(c * 2 * n + j) * 2 * n + i] = x[(c * n + (j < n ? j : 2 * n - 1 - j)) * n + (i < n ? i : 2 * n - 1 - i)];
    return out;
  };
  const Degradation d = some_degradation(n);
  std::vector<float> single = pair.output, large = mirrored(pair.output);
  const std::vector<float> large_input = mirrored(pair.input);
  ASSERT_TRUE(enforce_consistency(pair.input.data(), n, single.data(), n, 1, d, pool).ok());
  ASSERT_TRUE(enforce_consistency(large_input.data(), 2 * n, large.data(), 2 * n, 1, d, pool).ok());
  EXPECT_LE(largest_difference(large, mirrored(single)), 2e-5);
}

TEST(Consistency, ExtremeCropsStayFinite) {
  ThreadPool pool(2);
  const int n = 64;
  const Pair pair = make_pair(n, pool);
  std::vector<float> checker(pair.input.size()), edge(pair.input.size());
  for (size_t k = 0; k < checker.size(); ++k) {
    checker[k] = (k % n + k / n) % 2 == 0 ? 1.0f : -1.0f;
    edge[k] = k % n < 3 ? 1.0f : -1.0f;
  }
  const std::vector<float> black(checker.size(), -1.0f), white(checker.size(), 1.0f);
  for (const std::vector<float>& input : {black, white, checker, edge})
    for (double scale : {0.01, 0.3, 1.0, 8.0}) {
      const auto d = estimate_degradation(input.data(), n, scale, pool);
      ASSERT_TRUE(d.ok());
      std::vector<float> y = pair.output;
      ASSERT_TRUE(enforce_consistency(input.data(), n, y.data(), n, 1, *d, pool).ok());
      for (float value : y) ASSERT_LE(std::abs(value), 8) << "scale " << scale;  // false for NaN
    }
}

TEST(Consistency, ALargerOutputTakesTheInputsFrequencies) {
  ThreadPool pool(2);
  const int n = 32, m = 128;
  Degradation d;  // no blur; noise of the 8-bit crop only
  d.signal_power = 1e6;
  d.f1 = 1.0 / n;
  const auto wave = [](int size, int u, int v) {
    std::vector<float> out(static_cast<size_t>(3) * size * size);
    for (size_t k = 0; k < out.size(); ++k)
      out[k] = static_cast<float>(0.2 + 0.5 * std::cos(std::numbers::pi * u * (k % size + 0.5) / size) *
                                            std::cos(std::numbers::pi * v * (k / size % size + 0.5) / size));
    return out;
  };
  const std::vector<float> x = wave(n, 3, 5);
  std::vector<float> y(static_cast<size_t>(3) * m * m, -0.3f);
  ASSERT_TRUE(enforce_consistency(x.data(), n, y.data(), m, 1, d, pool).ok());
  EXPECT_LE(largest_difference(y, wave(m, 3, 5)), 2e-5);
}

TEST(Consistency, TheNumberOfThreadsDoesNotMatter) {
  ThreadPool one(1);
  const int n = 128;
  const Pair pair = make_pair(n, one);
  const Degradation d = some_degradation(n);
  std::vector<float> want = pair.output;
  ASSERT_TRUE(enforce_consistency(pair.input.data(), n, want.data(), n, 0.3, d, one).ok());
  for (int threads : {2, 3, 5}) {
    ThreadPool pool(threads);
    std::vector<float> got = pair.output;
    ASSERT_TRUE(enforce_consistency(pair.input.data(), n, got.data(), n, 0.3, d, pool).ok());
    EXPECT_EQ(want, got) << threads;
  }
}

TEST(Consistency, RefusesWhatMakesNoSenseAndChangesNothing) {
  ThreadPool pool(1);
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  Pair pair = make_pair(32, pool);
  const std::vector<float> before = pair.output;
  const Degradation d = some_degradation(32);
  const auto code = [&](int in, int out, double lambda) {
    return enforce_consistency(pair.input.data(), in, pair.output.data(), out, lambda, d, pool).code();
  };
  for (double lambda : {-0.1, 1.01, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(code(32, 32, lambda), Code::usage);
  EXPECT_EQ(code(30, 32, 0.5), Code::usage);
  EXPECT_EQ(code(32, 0, 0.5), Code::usage);
  EXPECT_EQ(code(32, 16, 0.5), Code::usage);
  for (float bad : {nan, infinity, -infinity}) {
    pair.input[100] = bad;
    EXPECT_EQ(code(32, 32, 0.5), Code::usage);
    pair.input[100] = 0;
  }
  EXPECT_EQ(before, pair.output);
  pair.output.back() = nan;
  EXPECT_EQ(code(32, 32, 0.5), Code::usage);
}

}  // namespace
}  // namespace gpen
