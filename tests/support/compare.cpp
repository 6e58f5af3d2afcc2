#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "runtime/bfloat16.h"
#include "runtime/float16.h"

namespace gpen::test {

namespace {

constexpr size_t kGuardBytes = 128;  // before and behind; keeps the alignment of the tensor itself
constexpr int kGuard = 0xa5;
constexpr int kPoison = 0xff;  // a NaN in every type
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

// Largest rounding error when `v` is stored: half an ulp, that of the subnormals at least.
double storage_error(double v, ElementType type) {
  if (type == ElementType::f16) return std::max(std::fabs(v) * 0x1p-11, 0x1p-25);
  return type == ElementType::bf16 ? std::fabs(v) * 0x1p-8 : 0.0;
}

void store(char* to, ElementType type, double v) {
  const float f = static_cast<float>(v);
  const uint16_t narrow = type == ElementType::f16 ? float_to_half(f) : float_to_bfloat16(f);
  if (type == ElementType::f32)
    std::memcpy(to, &f, sizeof f);
  else
    std::memcpy(to, &narrow, sizeof narrow);
}

double load(const char* from, ElementType type) {
  float f;
  uint16_t narrow;
  if (type == ElementType::f32) {
    std::memcpy(&f, from, sizeof f);
    return f;
  }
  std::memcpy(&narrow, from, sizeof narrow);
  return type == ElementType::f16 ? half_to_float(narrow) : std::bit_cast<float>(static_cast<uint32_t>(narrow) << 16);
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
    const double computed =
        floor + (tolerance.magnitude == nullptr ? 0.0 : tolerance.k_eps * kHalfUlp * tolerance.magnitude->v[i]);
    const double limit = computed + (std::isfinite(e) ? storage_error(std::fabs(e) + computed, tolerance.stored) : 0.0);
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

GuardedTensor::GuardedTensor(int64_t n, int64_t c, int64_t h, int64_t w, Layout layout, int64_t total, int64_t first,
                             std::shared_ptr<Device> device, ElementType type)
    : n_(n),
      c_(c),
      h_(h),
      w_(w),
      layout_(layout),
      total_(total == 0 ? c : total),
      first_(first),
      device_(std::move(device)),
      type_(type) {
  const size_t bytes = static_cast<size_t>(n_ * stored_channels() * h_ * w_ * size_of(type_));
  memory_ = AlignedBuffer(bytes + 2 * kGuardBytes);
  char* const start = static_cast<char*>(memory_.data());
  std::memset(start, kGuard, kGuardBytes);
  std::memset(start + kGuardBytes, kPoison, bytes);
  std::memset(start + kGuardBytes + bytes, kGuard, kGuardBytes);
  upload();
}

GuardedTensor::GuardedTensor(const Tensor& values, Layout layout, int64_t total, int64_t first,
                             std::shared_ptr<Device> device, ElementType type)
    : GuardedTensor(values.n, values.c, values.h, values.w, layout, total, first, std::move(device), type) {
  // The layouts' promise: channels beyond c in the last block are zero.
  const int64_t channels = layout_ == Layout::nchw ? c_ : ceil_div(c_, kBlock) * kBlock;
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < h_ * w_; ++p)
        store(element(n, first_ + c, p), type_, c < c_ ? values.at(n, c, p / w_, p % w_) : 0.0);
  upload();
}

int64_t GuardedTensor::stored_channels() const {
  return layout_ == Layout::nchw ? total_ : ceil_div(total_, kBlock) * kBlock;
}

char* GuardedTensor::element(int64_t n, int64_t channel, int64_t pixel) const {
  const int64_t channels = stored_channels(), plane = h_ * w_;
  int64_t index = (n * channels + channel) * plane + pixel;
  if (layout_ == Layout::nhwc) index = (n * plane + pixel) * channels + channel;
  if (layout_ == Layout::nchw16c)
    index = (n * channels + channel / kBlock * kBlock) * plane + pixel * kBlock + channel % kBlock;
  return static_cast<char*>(memory_.data()) + kGuardBytes + index * size_of(type_);
}

void GuardedTensor::upload() {
  if (device_ == nullptr) return;
  if (device_memory_.data() == nullptr) {
    auto made = DeviceBuffer::make(device_, memory_.bytes());
    ASSERT_TRUE(made.ok()) << made.status().message();
    device_memory_ = std::move(made).value();
  }
  device_->upload(device_memory_.data(), memory_.data(), memory_.bytes());
}

void GuardedTensor::download() const {
  if (device_ != nullptr) device_->download(memory_.data(), device_memory_.data(), memory_.bytes());
}

TensorView GuardedTensor::view() const {
  void* const memory = device_ != nullptr ? device_memory_.data() : memory_.data();
  TensorView whole =
      make_view(reinterpret_cast<float*>(static_cast<char*>(memory) + kGuardBytes), n_, total_, h_, w_, layout_, type_);
  return total_ == c_ ? whole : whole.channels(first_, c_);
}

Tensor GuardedTensor::values() const {
  download();
  Tensor out(n_, c_, h_, w_);
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t c = 0; c < c_; ++c)
      for (int64_t p = 0; p < h_ * w_; ++p) out.at(n, c, p / w_, p % w_) = load(element(n, first_ + c, p), type_);
  return out;
}

::testing::AssertionResult GuardedTensor::intact() const {
  download();
  const auto* const start = static_cast<const unsigned char*>(memory_.data());
  const auto* const last = start + memory_.bytes() - 1;
  for (size_t i = 0; i < kGuardBytes; ++i) {
    if (start[i] != kGuard) return ::testing::AssertionFailure() << "written before the tensor";
    if (*(last - i) != kGuard) return ::testing::AssertionFailure() << "written behind the tensor";
  }
  const int64_t width = layout_ == Layout::nchw ? c_ : ceil_div(c_, kBlock) * kBlock;  // of the slice
  for (int64_t n = 0; n < n_; ++n)
    for (int64_t channel = 0; channel < stored_channels(); ++channel)
      for (int64_t p = 0; p < h_ * w_; ++p) {
        const double v = load(element(n, channel, p), type_);
        const bool mine = channel >= first_ && channel < first_ + width;
        if (!mine && !std::isnan(v))
          return ::testing::AssertionFailure()
                 << "channel " << channel << " of image " << n << " outside the slice was written";
        if (mine && channel - first_ >= c_ && v != 0)
          return ::testing::AssertionFailure()
                 << "padding channel " << channel - first_ << " of image " << n << " is " << v << ", not zero";
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

Tensor rounded(Tensor x, ElementType type) {
  char stored[sizeof(float)];
  for (double& v : x.v) {
    store(stored, type, v);
    v = load(stored, type);
  }
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
