// depthwise_conv2d: one filter per channel, zero padding kernel/2.
//
//   v = bias[c] + sum over ky,kx of W[c,ky,kx] * x[n,c, i*stride + ky - kernel/2, j*stride + kx - kernel/2]
//   y[n,c,i,j] = v > 0 ? v : slope*v
//
//   x: n x c x h x w, y: n x c x ceil(h/stride) x ceil(w/stride), both activations, not overlapping.
// The sum is formed in the order written (bias, rows, columns), one rounding per product and per addition, so results
// are bitwise the same on every machine, for any number of threads, and for an image alone or in a batch.
// Code::internal, with both shapes, when they do not fit. Nothing is done when exec.dry().
#pragma once
#include <vector>

#include "runtime/parameters.h"

namespace gpen {

class DepthwiseWeights {
 public:
  // weight: channels x 1 x kernel x kernel, kernel odd; bias: channels values. Both are copied into blocks of 16.
  // Code::internal when the counts do not fit.
  static Result<DepthwiseWeights> pack(int64_t channels, int kernel, const std::vector<float>& weight,
                                       const std::vector<float>& bias, const Placement& at);
  int64_t channels() const { return channels_; }
  int kernel() const { return kernel_; }
  const float* filter(int64_t block) const { return filters_.data() + block * kernel_ * kernel_ * kBlock; }
  const float* bias(int64_t block) const { return bias_.data() + block * kBlock; }

 private:
  int64_t channels_ = 0;
  int kernel_ = 0;
  ParameterVector filters_;  // [block][ky][kx][16]
  ParameterVector bias_;     // [block][16]
};

Status depthwise_conv2d(Exec& exec, const DepthwiseWeights& weights, const TensorView& x, int stride, float slope,
                        TensorView y);

}  // namespace gpen
