// The judge of every kernel: the operators of the networks as plain double-precision loops over NCHW tensors, written
// from the formulas and checked against published answers (test_weights_reference.cpp). Slow and obvious on purpose.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/conv2d.h"

namespace gpen::test {

// n x c x h x w, row-major. Weights are OIHW (n = O, c = I), vectors 1 x c x 1 x 1 or n x c x 1 x 1.
struct Tensor {
  int64_t n = 0, c = 0, h = 0, w = 0;
  std::vector<double> v;

  Tensor() = default;
  Tensor(int64_t n_, int64_t c_, int64_t h_, int64_t w_, double fill = 0)
      : n(n_), c(c_), h(h_), w(w_), v(static_cast<size_t>(n_ * c_ * h_ * w_), fill) {}
  Tensor(int64_t n_, int64_t c_, int64_t h_, int64_t w_, std::vector<double> values)
      : n(n_), c(c_), h(h_), w(w_), v(std::move(values)) {}

  int64_t count() const { return n * c * h * w; }
  bool empty() const { return v.empty(); }
  double& at(int64_t in, int64_t ic, int64_t y, int64_t x) { return v[index(in, ic, y, x)]; }
  double at(int64_t in, int64_t ic, int64_t y, int64_t x) const { return v[index(in, ic, y, x)]; }
  // Zero outside the picture.
  double at_or_zero(int64_t in, int64_t ic, int64_t y, int64_t x) const {
    return y < 0 || y >= h || x < 0 || x >= w ? 0.0 : at(in, ic, y, x);
  }

 private:
  size_t index(int64_t in, int64_t ic, int64_t y, int64_t x) const {
    return static_cast<size_t>(((in * c + ic) * h + y) * w + x);
  }
};

// A result and, per element, the sum of the magnitudes of everything added up to form it: rounding errors are
// proportional to it, so tolerances are k * eps * magnitude.
struct Judged {
  Tensor value, magnitude;
};

double lrelu(double v, double slope = 0.2);
Tensor map(Tensor x, double (*f)(double));
Tensor concat_channels(const Tensor& a, const Tensor& b);
Tensor batch_item(const Tensor& x, int64_t n);

// --- Plain operators -------------------------------------------------------------------------------------------------
// sum of W[o,i,ky,kx] * x(n,i, y*stride + ky - pad, x*stride + kx - pad), zeros or mirrored pixels outside.
Tensor convolution(const Tensor& x, const Tensor& weight, int stride, int pad, PadMode mode = PadMode::zero);
// out[o, y*2 + ky, x*2 + kx] += W[o,i,ky,kx] * x[i,y,x]; 2H + k - 2 rows.
Tensor transposed_convolution_stride2(const Tensor& x, const Tensor& weight);
// weight: C x 1 x k x k, one filter per channel.
Tensor depthwise_convolution(const Tensor& x, const Tensor& weight, int stride, int pad);
Tensor max_pool(const Tensor& x, int kernel, int stride, int pad);  // the padding never wins
Tensor upsample_nearest(const Tensor& x, int64_t h, int64_t w);     // source row = floor(y * x.h / h)
Tensor pixel_unshuffle(const Tensor& x, int factor);                // channel c*f*f + dy*f + dx
Tensor batch_norm(const Tensor& x, const std::vector<double>& weight, const std::vector<double>& bias,
                  const std::vector<double>& mean, const std::vector<double>& variance, double eps = 1e-5);

// --- The contract of kernels/conv2d.h
// ---------------------------------------------------------------------------------
struct ConvCase {
  ConvGeometry g;
  Tensor weight;             // out_channels x in_channels x kh x kw
  double scale = 1;          // equalised learning rate
  std::vector<double> bias;  // empty: none
  Tensor x, in_scale;        // in_scale: n x in_channels x 1 x 1, or empty
  Tensor feature;            // empty: none
  double feature_gain = 1;
  std::vector<double> feature_bias;
  Tensor out_scale;  // n x out_channels x 1 x 1, or empty
  double slope = 1, gain = 1;
  Tensor residual, residual2;  // empty: none
  double residual_slope = 1, gain2 = 1;
  double (*change_input)(double) = nullptr;  // what happens to the input after its prologue: rounding to bf16
};
Judged conv2d(const ConvCase& c);
// The contract of kernels/upconv2d.h. Of the geometry only the channels count; no residuals.
Judged upconv2d(const ConvCase& c);

// --- StyleGAN2 operators (docs/reference.md 1), weights modulated per sample as published
// --------------------------------------
Tensor fir4(double gain);  // outer([1,3,3,1]) / 64 * gain
Tensor upfirdn2d(const Tensor& x, const Tensor& f, int up, int down, int pad0, int pad1);
Tensor fused_leaky_relu(const Tensor& x, const std::vector<double>& bias);
Tensor equal_linear(const Tensor& x, const Tensor& weight, const std::vector<double>& bias, double lr_mul,
                    bool activate);
Tensor pixel_norm(const Tensor& x);
// bias empty: no activation. blur: the FIR kernel of a downsampling layer.
Tensor conv_layer(const Tensor& x, const Tensor& weight, const std::vector<double>& bias, bool downsample,
                  const Tensor& blur);
enum class Resample { none, up, down };
// s: n x in x 1 x 1, the output of the modulation. blur: as stored in the checkpoint (with its factor 4 when up).
Tensor modulated_conv2d(const Tensor& x, const Tensor& s, const Tensor& weight, bool demodulate, Resample resample,
                        const Tensor& blur);
// fused_leaky_relu(concat(modulated_conv2d(x), noise_weight * feature), bias)
Tensor styled_conv(const Tensor& x, const Tensor& s, const Tensor& weight, bool upsample, const Tensor& blur,
                   const Tensor& feature, double noise_weight, const std::vector<double>& bias);
// skip may be empty.
Tensor to_rgb(const Tensor& x, const Tensor& s, const Tensor& weight, const std::vector<double>& bias,
              const Tensor& skip, const Tensor& upsample_kernel);

}  // namespace gpen::test
