// linear: the dense layers of the mapping network, the style affines and the demodulation sums, several at once.
//
//   plain         y[n][o] = sum over k of x[n][k] * W[o][k] * scale + bias[o] * bias_scale
//   fused_lrelu   y[n][o] = sqrt2 * lrelu(plain, 0.2)
//   demodulation  y[n][o] = 1 / sqrt(sum over k of x[n][k]^2 * W[o][k] * scale + 1e-8)
//
// Outputs come in whole blocks of 16 and may be placed anywhere: row_of[j] names the weight row behind output j, or -1
// for a zero output. The weights are read once for all n vectors (they are the traffic).
#pragma once
#include <span>
#include <vector>

#include "runtime/parameters.h"

namespace gpen {

enum class LinearForm : uint8_t { plain, fused_lrelu, demodulation };

class LinearWeights {
 public:
  // weight: rows x inputs, row-major. bias: rows values or empty. row_of empty: the rows in order.
  static Result<LinearWeights> pack(const float* weight, int64_t rows, int64_t inputs, double scale,
                                    const std::vector<float>& bias, double bias_scale, const Placement& at,
                                    const std::vector<int64_t>& row_of = {});
  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }  // a multiple of 16
  size_t packed_bytes() const { return data_.bytes() + device_data_.bytes(); }
  // For the kernels. On the processor [outputs/16][inputs][16], on a device [outputs][inputs]; bias: [outputs].
  const float* data() const { return device_data_.data() != nullptr ? device_data_.floats() : data_.floats(); }
  const float* bias() const { return bias_.data(); }

 private:
  int64_t inputs_ = 0, outputs_ = 0;
  AlignedBuffer data_;
  DeviceBuffer device_data_;
  ParameterVector bias_;
};

struct LinearJob {
  const LinearWeights* weights = nullptr;
  const float* x = nullptr;  // n rows of `inputs`, x_stride apart
  int64_t x_stride = 0;
  float* y = nullptr;  // n rows of `outputs`, y_stride apart
  int64_t y_stride = 0;
};

// The jobs do not depend on one another. Takes its scratch from exec.ws; does nothing else when exec.dry().
void linear(Exec& exec, std::span<const LinearJob> jobs, int64_t n, LinearForm form);

// x /= sqrt(mean of x^2 + 1e-8), for each of n rows of `count` values, `stride` apart. Nothing when exec.dry().
void pixel_norm(Exec& exec, float* x, int64_t n, int64_t count, int64_t stride);

}  // namespace gpen
