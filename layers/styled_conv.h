// The StyleGAN2 modules of the decoder, named as in the checkpoint: StyledConv (`generator.conv1`, `generator.convs.N`)
// and ToRGB (`generator.to_rgb1`, `generator.to_rgbs.N`).
//
// Modulation never touches the weights: the input is scaled by the style s, the output by the demodulation factor
// d[o] = 1/sqrt(sum over i of s[i]^2 * sum over k of W[o,i,k]^2 + 1e-8) (W with its equalised scale), so one weight
// tensor serves a whole batch. The second half of every activation, lrelu(noise.weight * feature + bias) * sqrt2, is
// never stored: whoever reads the activation computes it from the encoder's feature (conv2d.h, ConvInput).
#pragma once
#include <string>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/linear.h"
#include "kernels/to_rgb.h"
#include "kernels/upconv2d.h"
#include "weights/weight_store.h"

namespace gpen {

// Channels of an activation: the convolution's own and those of the injected feature behind them.
struct ActivationChannels {
  int64_t x = 0, feature = 0;
  int64_t total() const { return x + feature; }
  int64_t padded() const { return (ceil_div(x, kBlock) + ceil_div(feature, kBlock)) * kBlock; }
};

class StyledConv {
 public:
  // in: channels of the input; out: of the convolution (the activation has twice as many).
  static Result<StyledConv> load(const WeightStore& store, const std::string& name, ActivationChannels in, int64_t out,
                                 int style_dim, bool upsample, ConvAlgorithm algorithm, const Placement& at);
  // The style of every input channel from the latent vector (plain), and the demodulation factor of every output
  // channel from the style (LinearForm::demodulation): rows of style_floats() and demodulation_floats().
  const LinearWeights& modulation() const { return modulation_; }
  const LinearWeights& squared_norms() const { return squared_norms_; }
  // y: the convolution's half of the activation. in.in_scale is set from style. rgb: to_rgb of y as well.
  void forward(Exec& exec, ConvInput in, const float* style, const float* demodulation, TensorView y,
               const RgbOutput* rgb = nullptr) const;
  int64_t style_floats() const { return in_.padded(); }
  int64_t demodulation_floats() const { return ceil_div(out_, kBlock) * kBlock; }
  float noise_weight() const { return noise_weight_; }
  const float* feature_bias() const { return feature_bias_.data(); }
  int64_t out_channels() const { return out_; }
  bool upsamples() const { return upsample_; }
  // Of one image of h x w (input): what the algorithm multiplies.
  double multiplications(int64_t h, int64_t w) const {
    return upsample_ ? upconv_.multiplications(h, w) : conv_.multiplications(h, w);
  }
  double multiply_adds_per_input_pixel() const { return 9.0 * static_cast<double>(in_.total() * out_); }
  size_t packed_bytes() const;

 private:
  ActivationChannels in_;
  int64_t out_ = 0;
  int style_dim_ = 0;
  bool upsample_ = false;
  LinearWeights modulation_, squared_norms_;
  Conv2dWeights conv_;
  UpConv2dWeights upconv_;
  float noise_weight_ = 0;
  ParameterVector feature_bias_;
};

class ToRgb {
 public:
  static Result<ToRgb> load(const WeightStore& store, const std::string& name, ActivationChannels in, int style_dim,
                            const Placement& at);
  const LinearWeights& modulation() const { return modulation_; }
  void forward(Exec& exec, ConvInput in, const float* style, const TensorView& skip, TensorView rgb) const;
  // The same as a part of the convolution in front of it, whose result will be in.x.
  RgbOutput output(ConvInput in, const float* style, const TensorView& skip, TensorView rgb) const;
  int64_t style_floats() const { return in_.padded(); }
  size_t packed_bytes() const { return modulation_.packed_bytes() + weights_.weight.size() * sizeof(float); }

 private:
  ActivationChannels in_;
  int style_dim_ = 0;
  LinearWeights modulation_;
  ToRgbWeights weights_;
};

}  // namespace gpen
