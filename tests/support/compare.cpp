#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace gpen::test {

namespace {

constexpr size_t kGuardFloats = 32;  // before and behind; keeps the 64-byte alignment of the tensor itself
constexpr uint32_t kGuardBits = 0xdeadbeef;
constexpr double kHalfUlp = 1.0 / (1 << 24);

bool same_kind(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return true;
}

std::string place(const Tensor& t, size_t flat) {
  const int64_t i = static_cast<int64_t>(flat), plane = t.h * t.w;
  return concat("[", i / plane / t.c, ", ", i / plane % t.c, ", ", i % plane / t.w, ", ", i % t.w, "]");
}

std::string shape(const Tensor& t) { return concat(t.n, "x", t.c, "x", t.h, "x", t.w); }

double largest(const Tensor& t) {
  double best = 0;
  for (double v : t.v)
    if (std::isfinite(v)) best = std::max(best, std::fabs(v));
  return best;
}

uint32_t bits(float v) {
  uint32_t b;
  std::memcpy(&b, &v, sizeof b);
  return b;
}

}  // namespace

::testing::AssertionResult close(const Tensor& expected, const Tensor& actual, const Tolerance& tolerance) {
  if (shape(expected) != shape(actual))
    return ::testing::AssertionFailure() << "shape is " << shape(actual) << ", expected " << shape(expected);
  const double floor = tolerance.absolute + tolerance.relative * largest(expected);
  size_t zeros = 0, wrong = 0, worst = 0;
  double worst_excess = 0, squares = 0, worst_limit = 0;
  for (size_t i = 0; i < expected.v.size(); ++i) {
    const double e = expected.v[i], a = actual.v[i];
    zeros += e == 0;
    const double limit =
        floor + (tolerance.magnitude == nullptr ? 0.0 : tolerance.k_eps * kHalfUlp * tolerance.magnitude->v[i]);
    const bool comparable = std::isfinite(e) && std::isfinite(a);
    const double error = comparable        ? std::fabs(a - e)
                         : same_kind(e, a) ? 0.0
                                           : std::numeric_limits<double>::infinity();
    if (comparable) squares += error * error;
    if (error <= limit) continue;
    ++wrong;
    const double excess = limit > 0 ? error / limit : std::numeric_limits<double>::infinity();
    if (wrong == 1 || excess > worst_excess ||
        (excess == worst_excess && error > std::fabs(actual.v[worst] - expected.v[worst]))) {
      worst = i;
      worst_excess = excess;
      worst_limit = limit;
    }
  }
  if (wrong > 0)
    return ::testing::AssertionFailure() << wrong << " of " << expected.v.size() << " elements of " << shape(expected)
                                         << " differ; worst at " << place(expected, worst) << ": " << actual.v[worst]
                                         << ", expected " << expected.v[worst] << " within " << worst_limit
                                         << "; RMS error "
                                         << std::sqrt(squares / static_cast<double>(expected.v.size()));
  if (!tolerance.allow_mostly_zero && expected.v.size() >= 10 && zeros * 10 >= expected.v.size() * 9)
    return ::testing::AssertionFailure() << "mistrusted: " << zeros << " of " << expected.v.size()
                                         << " expected values are zero, so the test shows little";
  return ::testing::AssertionSuccess();
}

double relative_error(const Tensor& expected, const Tensor& actual) {
  if (shape(expected) != shape(actual)) return std::numeric_limits<double>::infinity();
  double error = 0;
  for (size_t i = 0; i < expected.v.size(); ++i) {
    if (!same_kind(expected.v[i], actual.v[i])) return std::numeric_limits<double>::infinity();
    if (std::isfinite(expected.v[i])) error = std::max(error, std::fabs(expected.v[i] - actual.v[i]));
  }
  return error / std::max(largest(expected), std::numeric_limits<double>::min());
}

GuardedTensor::GuardedTensor(int64_t n, int64_t c, int64_t h, int64_t w, Layout layout, int64_t total, int64_t first)
    : n_(n), c_(c), h_(h), w_(w), layout_(layout), total_(total == 0 ? c : total), first_(first) {
  const TensorView whole = make_view(nullptr, n_, total_, h_, w_, layout_);
  memory_ = AlignedBuffer((static_cast<size_t>(n_ * whole.batch_stride) + 2 * kGuardFloats) * sizeof(float));
  poison();
}

GuardedTensor::GuardedTensor(const Tensor& values, Layout layout, int64_t total, int64_t first)
    : GuardedTensor(values.n, values.c, values.h, values.w, layout, total, first) {
  const TensorView v = view();
  if (layout_ == Layout::nchw16c)  // the layout's promise: channels beyond c in the last block are zero
    for (int64_t n = 0; n < n_; ++n) std::fill_n(v.block(n, v.blocks() - 1), v.plane() * kBlock, 0.0f);
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t c = 0; c < c_; ++c)
      for (int64_t p = 0; p < v.plane(); ++p) {
        const float value = static_cast<float>(values.at(n, c, p / w_, p % w_));
        if (layout_ == Layout::nchw16c)
          v.block(n, c / kBlock)[p * kBlock + c % kBlock] = value;
        else
          v.image(n)[c * v.plane() + p] = value;
      }
}

void GuardedTensor::poison() {
  float* f = memory_.floats();
  const size_t count = memory_.bytes() / sizeof(float);
  std::fill_n(f, count, std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < kGuardFloats; ++i) {
    std::memcpy(f + i, &kGuardBits, sizeof(float));
    std::memcpy(f + count - 1 - i, &kGuardBits, sizeof(float));
  }
}

TensorView GuardedTensor::view() const {
  TensorView whole = make_view(memory_.floats() + kGuardFloats, n_, total_, h_, w_, layout_);
  return total_ == c_ ? whole : whole.channels(first_, c_);
}

Tensor GuardedTensor::values() const {
  const TensorView v = view();
  Tensor out(n_, c_, h_, w_);
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t c = 0; c < c_; ++c)
      for (int64_t p = 0; p < v.plane(); ++p)
        out.at(n, c, p / w_, p % w_) = layout_ == Layout::nchw16c ? v.block(n, c / kBlock)[p * kBlock + c % kBlock]
                                                                  : v.image(n)[c * v.plane() + p];
  return out;
}

::testing::AssertionResult GuardedTensor::intact() const {
  const float* f = memory_.floats();
  const size_t count = memory_.bytes() / sizeof(float);
  for (size_t i = 0; i < kGuardFloats; ++i) {
    if (bits(f[i]) != kGuardBits) return ::testing::AssertionFailure() << "written before the tensor";
    if (bits(f[count - 1 - i]) != kGuardBits) return ::testing::AssertionFailure() << "written behind the tensor";
  }
  if (layout_ != Layout::nchw16c) return ::testing::AssertionSuccess();
  const TensorView whole = make_view(memory_.floats() + kGuardFloats, n_, total_, h_, w_, layout_);
  const int64_t first_block = first_ / kBlock, end_block = first_block + ceil_div(c_, kBlock);
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t b = 0; b < whole.blocks(); ++b)
      for (int64_t i = 0; i < whole.plane() * kBlock; ++i) {
        const float v = whole.block(n, b)[i];
        const bool mine = b >= first_block && b < end_block;
        const int64_t channel = b * kBlock + i % kBlock - first_;
        if (!mine && !std::isnan(v))
          return ::testing::AssertionFailure()
                 << "block " << b << " of image " << n << " outside the slice was written";
        if (mine && channel >= c_ && v != 0)
          return ::testing::AssertionFailure()
                 << "padding channel " << channel << " of image " << n << " is " << v << ", not zero";
      }
  return ::testing::AssertionSuccess();
}

Tensor random_integers(int64_t n, int64_t c, int64_t h, int64_t w, int limit, std::mt19937& rng) {
  Tensor t(n, c, h, w);
  for (double& v : t.v)
    v = static_cast<double>(static_cast<int64_t>(rng() % static_cast<uint32_t>(2 * limit + 1)) - limit);
  return t;
}

Tensor random_uniform(int64_t n, int64_t c, int64_t h, int64_t w, double low, double high, std::mt19937& rng) {
  Tensor t(n, c, h, w);
  for (double& v : t.v) v = static_cast<float>(low + (high - low) * (static_cast<double>(rng()) / 4294967296.0));
  return t;
}

Tensor rounded(Tensor x) {
  for (double& v : x.v) v = static_cast<float>(v);
  return x;
}

std::vector<float> to_floats(const std::vector<double>& v) {
  std::vector<float> f(v.size());
  std::transform(v.begin(), v.end(), f.begin(), [](double d) { return static_cast<float>(d); });
  return f;
}

uint32_t test_seed(uint32_t fallback) {
  const char* text = std::getenv("GPEN_SEED");
  return text == nullptr ? fallback : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

}  // namespace gpen::test
