// conv2d: every dense convolution of the networks; activations in the layout of the processor (nchw16c) or of the
// device (nhwc).
//
//   acc[n,o,y,x]  = sum over i,ky,kx of W[o,i,ky,kx] * in(n,i, y*stride + ky - pad, x*stride + kx - pad)
//   v             = lrelu(acc * out_scale[n,o] + bias[o], slope) * gain
//   v             = lrelu(v + residual[n,o,y,x], residual_slope)              if residual
//   v             = v * gain2 + residual2[n,o,y,x]                            if residual2
//   y[n,o,y,x]    = v
//
// with lrelu(v, s) = v > 0 ? v : s*v (s = 1: none, 0: ReLU) and in() the input after its prologue:
//   - the channels are those of `x`, followed by those of `feature` when present (noise injection without a concat):
//       x part:        x * in_scale
//       feature part:  lrelu(feature * feature_gain + feature_bias[c], 0.2) * sqrt(2) * in_scale
//   - upsample = 2: nearest-neighbour enlargement before the convolution (the padding applies to the enlarged picture);
//   - pad_mode: zeros (zero *after* the prologue), or reflect (without repeating the edge);
// Transposed convolution (StyleGAN2's upsampling convolution) is upconv2d.h; the blurred stride-2 one has
// ConvGeometry::blur_pad.
//
// Results are bitwise the same for any number of threads, and for an image alone or in a batch.
#pragma once
#include <memory>
#include <vector>

#include "runtime/precision.h"
#include "runtime/workspace.h"

namespace gpen {

enum class PadMode : uint8_t { zero, reflect };

struct ConvGeometry {
  int64_t in_channels = 0;  // of x and feature together
  int64_t out_channels = 0;
  int kernel_h = 3, kernel_w = 3;
  int stride = 1;  // 1 or 2
  int pad = 1;
  PadMode pad_mode = PadMode::zero;
  int upsample = 1;  // 1 or 2
  // StyleGAN2's downsampling conv_layer: the input is first blurred by [1,3,3,1]x[1,3,3,1]/64 with `blur_pad` zeros
  // on every side (2 for k=3, 1 for k=1), then convolved with stride 2 and pad 0.
  int blur_pad = 0;  // 0: no blur

  int64_t out_size(int64_t in, int kernel) const {
    const int64_t s = in * upsample + (blur_pad > 0 ? 2 * blur_pad - 3 : 0);
    return (s + 2 * pad - kernel) / stride + 1;
  }
};

// Which implementation: `automatic` takes what needs the fewest multiplications where both sides have 32 channels or
// more, and direct elsewhere; the others force one (networks that save memory, tests, bench).
enum class ConvAlgorithm : uint8_t {
  automatic,
  direct,
  winograd4x4,  // F(4x4,3x3): 3x3, stride 1, pad 1
  nested3x2,    // nested F(3,2): 3x3, stride 2 without enlargement, and the up-convolution
};
const char* name_of(ConvAlgorithm a);

// Weights packed at load for the instruction set in use. Immutable afterwards; shared by all threads and images.
class Conv2dWeights {
 public:
  Conv2dWeights();
  ~Conv2dWeights();
  Conv2dWeights(Conv2dWeights&&) noexcept;
  Conv2dWeights& operator=(Conv2dWeights&&) noexcept;
  // weight: OIHW (out_channels x in_channels x kh x kw), scaled by `scale` (equalised learning rate); bias:
  // out_channels values or empty. Weights are copied. Code::usage when the algorithm cannot do the geometry. split: how
  // many of the in_channels come from x when a feature follows; 0: all. On the processor bf16 is not for blurred
  // convolutions. On a device the algorithm is always direct (Code::usage for another one by name), and
  // a blurred convolution has no feature half.
  static Result<Conv2dWeights> pack(const ConvGeometry& g, const float* weight, double scale,
                                    const std::vector<float>& bias, const Placement& at,
                                    ConvAlgorithm algorithm = ConvAlgorithm::automatic, int64_t split = 0,
                                    Precision precision = Precision::fp32);
  const ConvGeometry& geometry() const;
  ConvAlgorithm algorithm() const;
  size_t packed_bytes() const;
  // Multiplications that the algorithm does for one image of h x w (input), in whole tiles.
  double multiplications(int64_t h, int64_t w) const;
  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A 1x1 convolution of an RGB picture with fused_lrelu (GPEN's ecd0), computed wherever it is read instead of being
// stored:
//   value(n,c,y,x) = lrelu(sum over k<3 of pixels[n][y][x][k] * weight[c/16][k][c%16] + weight[c/16][3][c%16], 0.2)
// (the sqrt2 of fused_lrelu is in the weights).
struct RgbStem {
  const float* pixels = nullptr;  // [n][h][w][4], the fourth value unused
  const float* weight = nullptr;  // [channels rounded up to 16 / 16][4][16]
};

struct ConvInput {
  TensorView x;                         // an activation (Exec::layout)
  const float* in_scale = nullptr;      // [n][x channels rounded up to 16, then feature channels likewise], or null
  TensorView feature;                   // same n, h, w as x; data null: none
  float feature_gain = 1;               // noise weight
  const float* feature_bias = nullptr;  // [feature channels rounded up to 16], zero beyond
  // On the processor only (a device stores the stem: apply_rgb_stem). Given: the feature, or x where there is no
  // feature, has only a shape; its values come from the stem.
  RgbStem stem;
};

struct RgbOutput;  // to_rgb.h

struct ConvEpilogue {
  const float* out_scale = nullptr;  // [n][out_channels rounded up to 16], or null
  float slope = 1, gain = 1;
  TensorView residual;  // same shape as y; data null: none
  float residual_slope = 1;
  TensorView residual2;
  float gain2 = 1;
  const RgbOutput* rgb = nullptr;  // given: to_rgb of y as well
};

// y: n x out_channels x out_h x out_w, an activation; may alias residual or residual2 exactly, not x.
// Takes its scratch from exec.ws; does nothing else when exec.dry().
// Errors are programming errors (shapes are checked where networks are built): checked by assertion in debug builds.
void conv2d(Exec& exec, const Conv2dWeights& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);

}  // namespace gpen
