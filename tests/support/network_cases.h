// What the golden tests of the networks share: formula weights and inputs, planar tensors in and out.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "convert/checkpoint.h"
#include "support/compare.h"
#include "support/golden.h"
#include "support/shared_data.h"
#include "weights/synth.h"

namespace gpen::test {

// Largest error over largest value. The bar for every network is 2e-5; measured here is at most 2.4e-6.
inline constexpr double kNetworkTolerance = 6e-6;

// A released architecture with formula weights.
inline WeightStore formula_weights(const std::string& architecture, const std::string& seed = "") {
  const auto arch = parse_architecture(architecture);
  EXPECT_TRUE(arch.ok()) << arch.status().message();
  auto store = synthesize(*arch, SynthKind::formula, seed);
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(store).value() : WeightStore();
}

inline WeightStore checkpoint_weights(const std::string& relative) {
  auto store = open_weights(shared_file(relative));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(store).value() : WeightStore();
}

// A planar fp32 tensor with its memory.
class Planar {
 public:
  Planar(int64_t n, int64_t c, int64_t h, int64_t w)
      : memory_(static_cast<size_t>(n * c * h * w)), view_(make_view(memory_.data(), n, c, h, w)) {}
  explicit Planar(const Tensor& t) : Planar(t.n, t.c, t.h, t.w) {
    memory_ = to_floats(t.v), view_.data = memory_.data();
  }
  Planar(const Planar&) = delete;
  Planar& operator=(const Planar&) = delete;
  const TensorView& view() const { return view_; }
  Tensor tensor() const {
    return Tensor(view_.n, view_.c, view_.h, view_.w, std::vector<double>(memory_.begin(), memory_.end()));
  }

 private:
  std::vector<float> memory_;
  TensorView view_;
};

inline Tensor formula_input(const std::string& name, int64_t n, int64_t c, int64_t h, int64_t w, double scale) {
  const std::vector<float> v = formula_tensor(name, n * c * h * w, scale);
  return Tensor(n, c, h, w, std::vector<double>(v.begin(), v.end()));
}

// Every step-th row and column.
inline Tensor every(const Tensor& x, int64_t step) {
  Tensor out(x.n, x.c, ceil_div(x.h, step), ceil_div(x.w, step));
  for (int64_t n = 0; n < x.n; ++n)
    for (int64_t c = 0; c < x.c; ++c)
      for (int64_t y = 0; y < out.h; ++y)
        for (int64_t i = 0; i < out.w; ++i) out.at(n, c, y, i) = x.at(n, c, y * step, i * step);
  return out;
}

// Two batches put one behind the other.
inline Tensor stacked(const Tensor& a, const Tensor& b) {
  Tensor out(a.n + b.n, a.c, a.h, a.w, a.v);
  out.v.insert(out.v.end(), b.v.begin(), b.v.end());
  return out;
}

}  // namespace gpen::test
