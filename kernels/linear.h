// linear: y[n][o] = act(sum over k of x[n][k] * W[o][k] * scale + bias[o] * bias_scale), the dense layers of the
// mapping network, the style affines and the demodulation sums.
//
// Outputs come in whole blocks of 16 and may be placed anywhere: row_of[j] names the weight row behind output j, or -1
// for a zero output. The weights are read once for all n vectors (they are the traffic).
#pragma once
#include <vector>

#include "runtime/workspace.h"

namespace gpen {

enum class LinearActivation : uint8_t { none, fused_lrelu };  // fused_lrelu(v) = sqrt2 * (v > 0 ? v : 0.2 v)

class LinearWeights {
 public:
  // weight: rows x inputs, row-major. bias: rows values or empty. row_of empty: the rows in order.
  static Result<LinearWeights> pack(const float* weight, int64_t rows, int64_t inputs, double scale,
                                    const std::vector<float>& bias, double bias_scale, ThreadPool& pool,
                                    const std::vector<int64_t>& row_of = {});
  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }  // a multiple of 16
  size_t packed_bytes() const { return data_.bytes(); }

 private:
  friend void linear(Exec&, const LinearWeights&, const float*, int64_t, int64_t, LinearActivation, float*, int64_t);
  int64_t inputs_ = 0, outputs_ = 0;
  AlignedBuffer data_;       // [outputs/16][inputs][16]
  std::vector<float> bias_;  // outputs
};

// x: n rows of `inputs`, x_stride apart; y: n rows of `outputs`, y_stride apart. No-op when exec.dry().
void linear(Exec& exec, const LinearWeights& w, const float* x, int64_t x_stride, int64_t n, LinearActivation act,
            float* y, int64_t y_stride);

}  // namespace gpen
