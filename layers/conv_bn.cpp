#include "layers/conv_bn.h"

#include <algorithm>
#include <cmath>

namespace gpen {

namespace {

constexpr double kBatchNormEpsilon = 1e-5;

// Per output channel: what the convolution is multiplied by, and what is added.
struct ChannelAffine {
  std::vector<double> factor, offset;
};

Result<ChannelAffine> read_norm(const WeightStore& store, const std::string& norm, int64_t channels) {
  GPEN_ASSIGN(const std::vector<float> gamma, store.floats(norm + ".weight", {channels}));
  GPEN_ASSIGN(const std::vector<float> beta, store.floats(norm + ".bias", {channels}));
  GPEN_ASSIGN(const std::vector<float> mean, store.floats(norm + ".running_mean", {channels}));
  GPEN_ASSIGN(const std::vector<float> variance, store.floats(norm + ".running_var", {channels}));
  ChannelAffine a;
  for (size_t c = 0; c < gamma.size(); ++c) {
    if (variance[c] < 0)
      return fail(Code::model, store.source, ": ", norm, ".running_var is negative (", variance[c], ") at channel ", c);
    a.factor.push_back(gamma[c] / std::sqrt(variance[c] + kBatchNormEpsilon));
    a.offset.push_back(beta[c] - mean[c] * a.factor[c]);
  }
  return a;
}

Result<ChannelAffine> read_bias(const WeightStore& store, const std::string& conv, int64_t channels) {
  GPEN_ASSIGN(const std::vector<float> bias, store.floats(conv + ".bias", {channels}));
  return ChannelAffine{std::vector<double>(bias.size(), 1.0), {bias.begin(), bias.end()}};
}

}  // namespace

int64_t padded_channels(const ConcatParts& parts) {
  int64_t sum = 0;
  for (int64_t p : parts) sum += ceil_div(p, kBlock) * kBlock;
  return sum;
}

Result<FoldedConv> fold_conv(const WeightStore& store, const ConvNames& names, const std::vector<int64_t>& shape) {
  const int64_t outs = shape[0];
  GPEN_ASSIGN(const ChannelAffine affine,
              names.norm.empty() ? read_bias(store, names.conv, outs) : read_norm(store, names.norm, outs));
  FoldedConv folded;
  GPEN_ASSIGN(folded.weight, store.floats(names.conv + ".weight", shape));
  store.release_pages(names.conv + ".weight");
  const size_t per_channel = folded.weight.size() / static_cast<size_t>(outs);
  float* w = folded.weight.data();
  for (double factor : affine.factor) {
    double largest = 0;
    for (size_t i = 0; i < per_channel; ++i, ++w) {
      *w = static_cast<float>(*w * factor);
      largest = std::max<double>(largest, std::fabs(*w));
    }
    if (!std::isfinite(largest))
      return fail(Code::model, store.source, ": ", names.conv, ".weight overflows when ", names.norm, " is folded in");
  }
  for (double offset : affine.offset) {
    folded.bias.push_back(static_cast<float>(offset));
    if (!std::isfinite(folded.bias.back()))
      return fail(Code::model, store.source, ": ", names.norm, " gives an offset that is not finite");
  }
  return folded;
}

std::vector<float> spread_inputs(const std::vector<float>& weight, int64_t out_channels, int64_t taps,
                                 const ConcatParts& parts) {
  std::vector<float> spread(static_cast<size_t>(out_channels * padded_channels(parts) * taps), 0.0f);
  const float* from = weight.data();
  float* to = spread.data();
  for (int64_t o = 0; o < out_channels; ++o)
    for (int64_t part : parts) {
      std::copy_n(from, part * taps, to);
      from += part * taps;
      to += ceil_div(part, kBlock) * kBlock * taps;
    }
  return spread;
}

Result<Conv2dWeights> load_conv(const WeightStore& store, const ConvNames& names, ConvGeometry g, const Placement& at,
                                const ConcatParts& parts) {
  int64_t in_channels = parts.empty() ? g.in_channels : 0;
  for (int64_t p : parts) in_channels += p;
  GPEN_ASSIGN(FoldedConv folded, fold_conv(store, names, {g.out_channels, in_channels, g.kernel_h, g.kernel_w}));
  if (!parts.empty()) {
    g.in_channels = padded_channels(parts);
    if (g.in_channels != in_channels)
      folded.weight = spread_inputs(folded.weight, g.out_channels, int64_t{g.kernel_h} * g.kernel_w, parts);
  }
  return Conv2dWeights::pack(g, folded.weight.data(), 1.0, folded.bias, at, ConvAlgorithm::automatic, 0, at.precision);
}

Result<DepthwiseWeights> load_depthwise(const WeightStore& store, const ConvNames& names, int64_t channels, int kernel,
                                        const Placement& at) {
  GPEN_ASSIGN(const FoldedConv folded, fold_conv(store, names, {channels, 1, kernel, kernel}));
  return DepthwiseWeights::pack(channels, kernel, folded.weight, folded.bias, at);
}

void apply(Exec& exec, const Conv2dWeights& weights, const TensorView& x, float slope, TensorView y) {
  ConvInput in;
  in.x = x;
  ConvEpilogue ep;
  ep.slope = slope;
  conv2d(exec, weights, in, ep, y);
}

void apply_residual(Exec& exec, const Conv2dWeights& weights, const TensorView& x, const TensorView& residual,
                    float slope, TensorView y) {
  ConvInput in;
  in.x = x;
  ConvEpilogue ep;
  ep.residual = residual;
  ep.residual_slope = slope;
  conv2d(exec, weights, in, ep, y);
}

}  // namespace gpen
