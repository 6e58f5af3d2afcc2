// Comparing results, and buffers that betray reading or writing in the wrong place.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "runtime/workspace.h"
#include "support/reference.h"

namespace gpen::test {

// An element passes when |actual - expected| <= absolute + k_eps * 2^-24 * magnitude + relative * largest |expected|.
// All zero: the results must be equal. NaN and infinities must stand in the same places with the same sign.
struct Tolerance {
  double k_eps = 0;                   // for sums: roundings per element; needs `magnitude`
  const Tensor* magnitude = nullptr;  // sum of |a_i * b_i| per element
  double relative = 0;                // to the largest absolute expected value
  double absolute = 0;
  ElementType stored = ElementType::f32;  // what the result was rounded to at last: half an ulp more for 16-bit types
  bool allow_mostly_zero = false;         // otherwise a result of which nine tenths are zero is mistrusted and fails
};
// On failure: how many elements differ, the worst one with its index and tolerance, the RMS error.
::testing::AssertionResult close(const Tensor& expected, const Tensor& actual, const Tolerance& tolerance);
// Largest |actual - expected| over largest |expected|; infinite when a NaN or infinity differs or a shape does.
double relative_error(const Tensor& expected, const Tensor& actual);

// A tensor in memory of its own, the host's or a device's: NaN everywhere outside the values set, guard bytes before
// and behind. Memory of a device is uploaded at construction and downloaded by values() and intact().
class GuardedTensor {
 public:
  // A tensor, or channels [first, first + c) of one of `total` channels (total = 0: c). A 16-bit type is for nhwc.
  GuardedTensor(int64_t n, int64_t c, int64_t h, int64_t w, Layout layout, int64_t total = 0, int64_t first = 0,
                std::shared_ptr<Device> device = nullptr, ElementType type = ElementType::f32);
  // With the values, rounded to the type.
  GuardedTensor(const Tensor& values, Layout layout, int64_t total = 0, int64_t first = 0,
                std::shared_ptr<Device> device = nullptr, ElementType type = ElementType::f32);
  TensorView view() const;
  Tensor values() const;
  // Guards untouched; channels outside the slice untouched; the zero channels of the last block zero.
  ::testing::AssertionResult intact() const;

 private:
  char* element(int64_t n, int64_t channel, int64_t pixel) const;  // in the host's copy; channel of the whole tensor
  int64_t stored_channels() const;                                 // of the whole tensor, zero channels included
  void upload();
  void download() const;
  int64_t n_, c_, h_, w_;
  Layout layout_;
  int64_t total_, first_;
  std::shared_ptr<Device> device_;
  ElementType type_;
  AlignedBuffer memory_;  // a copy when the tensor is on a device
  DeviceBuffer device_memory_;
};

// Small integers in [-limit, limit]: sums and products of a few of them are exact in fp32.
Tensor random_integers(int64_t n, int64_t c, int64_t h, int64_t w, int limit, std::mt19937& rng);
Tensor random_uniform(int64_t n, int64_t c, int64_t h, int64_t w, double low, double high, std::mt19937& rng);
// Values rounded to float, or to the type, as the kernels get them.
Tensor rounded(Tensor x, ElementType type = ElementType::f32);
std::vector<float> to_floats(const std::vector<double>& v);

// The seed of a random test: $GPEN_SEED when set, else `fallback`; print it with SCOPED_TRACE.
uint32_t test_seed(uint32_t fallback);

// Runs fn(exec) as a network does: once dry, then for real, to the end of the device's work.
template <class Fn>
Status run_planned(ThreadPool& pool, std::shared_ptr<Device> device, ElementType type, Fn fn) {
  Workspace ws(device);
  Exec exec{pool, ws, device.get(), type};
  ws.begin_plan();
  GPEN_RETURN_IF_ERROR(fn(exec));
  GPEN_RETURN_IF_ERROR(ws.finish_plan());
  ws.begin_run();
  GPEN_RETURN_IF_ERROR(fn(exec));
  return device != nullptr ? device->finish() : Status();
}
template <class Fn>
Status run_planned(ThreadPool& pool, Fn fn) {
  return run_planned(pool, nullptr, ElementType::f32, fn);
}

}  // namespace gpen::test
