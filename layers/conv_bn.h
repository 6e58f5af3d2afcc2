// A convolution under its names in the checkpoint, with the BatchNorm behind it folded in at load.
//
//   BN(conv(x)) = w*conv(x) + (beta - mean*w),  w = gamma / sqrt(var + 1e-5) per output channel
// The products are formed in double and rounded to fp32 once.
#pragma once
#include <string>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "runtime/workspace.h"
#include "weights/weight_store.h"

namespace gpen {

struct ConvNames {
  std::string conv;  // CONV.weight, and CONV.bias unless a norm follows
  std::string norm;  // NORM.weight, .bias, .running_mean, .running_var; empty: no BatchNorm
};

// Weights as conv2d takes them: OIHW and one bias per output channel.
struct FoldedConv {
  std::vector<float> weight, bias;
};

// Channels of the tensors that were concatenated to make a convolution's input. Every part lies in whole blocks of 16
// channels, so that its producer can write it in place; the gaps hold zeros and get zero weights.
using ConcatParts = std::vector<int64_t>;
int64_t padded_channels(const ConcatParts& parts);  // sum of the parts, each rounded up to 16

// Code::model when a tensor is missing, of another shape, not finite, or a variance is negative. The file's pages are
// released. weight has out_channels x in_channels x kernel_h x kernel_w values, in_channels counted without gaps.
Result<FoldedConv> fold_conv(const WeightStore& store, const ConvNames& names, const std::vector<int64_t>& shape);
// The same weights for an input with gaps: each part's columns moved to its blocks.
std::vector<float> spread_inputs(const std::vector<float>& weight, int64_t out_channels, int64_t taps,
                                 const ConcatParts& parts);

// Reads, folds and packs. g.in_channels is replaced by padded_channels(parts) when parts are given.
Result<Conv2dWeights> load_conv(const WeightStore& store, const ConvNames& names, ConvGeometry g, const Placement& at,
                                const ConcatParts& parts = {});
Result<DepthwiseWeights> load_depthwise(const WeightStore& store, const ConvNames& names, int64_t channels, int kernel,
                                        const Placement& at);

// y = conv2d(x) with an epilogue of one activation: v > 0 ? v : slope*v.
void apply(Exec& exec, const Conv2dWeights& weights, const TensorView& x, float slope, TensorView y);
// y = lrelu(conv2d(x) + residual, slope); y may be the residual itself.
void apply_residual(Exec& exec, const Conv2dWeights& weights, const TensorView& x, const TensorView& residual,
                    float slope, TensorView y);

}  // namespace gpen
