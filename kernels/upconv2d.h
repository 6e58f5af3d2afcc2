// upconv2d: StyleGAN2's upsampling convolution, a transposed 3x3 convolution of stride 2 followed by a blur.
//
//   t[o, 2i+ky, 2j+kx] += sum over c of W[o,c,ky,kx] * in(c,i,j)          (2H+1) x (2W+1)
//   b = t blurred by [1,3,3,1]x[1,3,3,1]/16, one zero around t             2H x 2W
//   y = lrelu(b * out_scale[n,o] + bias[o], slope) * gain
//
// direct: the transposed convolution is four ordinary ones with 4, 2, 2 and 1 taps, one per parity of the output
// position (9 multiplications per input pixel; the composed 6x6 kernel would need 36). nested3x2: the two-tap phases by
// F(3,2), 5.4 multiplications per input pixel. in() carries the prologue of conv2d.h. Bitwise the same for any number
// of threads, and for an image alone or in a batch.
#pragma once
#include "kernels/conv2d.h"

namespace gpen {

class UpConv2dWeights {
 public:
  UpConv2dWeights();
  ~UpConv2dWeights();
  UpConv2dWeights(UpConv2dWeights&&) noexcept;
  UpConv2dWeights& operator=(UpConv2dWeights&&) noexcept;
  // weight: out_channels x in_channels x 3 x 3, times scale; bias: out_channels or empty; split: see Conv2dWeights.
  static Result<UpConv2dWeights> pack(int64_t in_channels, int64_t out_channels, const float* weight, double scale,
                                      const std::vector<float>& bias, const Placement& at, int64_t split = 0,
                                      ConvAlgorithm algorithm = ConvAlgorithm::automatic,
                                      Precision precision = Precision::fp32);
  ConvAlgorithm algorithm() const;
  size_t packed_bytes() const;
  // Multiplications that the algorithm does for one image of h x w (input), in whole tiles.
  double multiplications(int64_t h, int64_t w) const;
  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// x: n x C x H x W; y: n x out_channels x 2H x 2W, activations. Of the epilogue only out_scale, slope, gain and rgb
// apply.
void upconv2d(Exec& exec, const UpConv2dWeights& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);

}  // namespace gpen
