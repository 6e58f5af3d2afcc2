#include "layers/styled_conv.h"

#include <cmath>

namespace gpen {

namespace {

constexpr float kSqrt2 = 1.41421356237309515f;

// Where each input channel lies in the padded order: x in whole blocks, then the feature in whole blocks.
std::vector<int64_t> padded_rows(const ActivationChannels& c) {
  std::vector<int64_t> rows(static_cast<size_t>(c.padded()), -1);
  for (int64_t i = 0; i < c.x; ++i) rows[static_cast<size_t>(i)] = i;
  for (int64_t i = 0; i < c.feature; ++i) rows[static_cast<size_t>(ceil_div(c.x, kBlock) * kBlock + i)] = c.x + i;
  return rows;
}

Result<LinearWeights> load_modulation(const WeightStore& store, const std::string& name, const ActivationChannels& in,
                                      int style_dim, const Placement& at) {
  GPEN_ASSIGN(const FloatView weight, store.view(name + ".weight", {in.total(), style_dim}));
  GPEN_ASSIGN(auto bias, store.floats(name + ".bias", {in.total()}));
  auto packed = LinearWeights::pack(weight.data(), in.total(), style_dim, 1 / std::sqrt(static_cast<double>(style_dim)),
                                    bias, 1, at, padded_rows(in));
  store.release_pages(name + ".weight");
  return packed;
}

// norms[o][padded i] = sum over the kernel of (W[o,i,k] * scale)^2, as a linear layer over the squared style.
Result<LinearWeights> load_squared_norms(const FloatView& weight, const ActivationChannels& in, int64_t out,
                                         double scale, const Placement& at) {
  const std::vector<int64_t> rows = padded_rows(in);
  const int64_t padded = in.padded();
  std::vector<float> norms(static_cast<size_t>(out * padded), 0.f);
  at.pool.parallel_for(out, [&](int64_t o, int) {
    for (int64_t i = 0; i < padded; ++i) {
      const int64_t row = rows[static_cast<size_t>(i)];
      if (row < 0) continue;
      double sum = 0;
      for (int64_t k = 0; k < 9; ++k) {
        const double v = weight.data()[(o * in.total() + row) * 9 + k] * scale;
        sum += v * v;
      }
      norms[static_cast<size_t>(o * padded + i)] = static_cast<float>(sum);
    }
  });
  return LinearWeights::pack(norms.data(), out, padded, 1, {}, 1, at);
}

}  // namespace

Result<StyledConv> StyledConv::load(const WeightStore& store, const std::string& name, ActivationChannels in,
                                    int64_t out, int style_dim, bool upsample, ConvAlgorithm algorithm,
                                    const Placement& at) {
  StyledConv s;
  s.in_ = in;
  s.out_ = out;
  s.style_dim_ = style_dim;
  s.upsample_ = upsample;
  GPEN_ASSIGN(s.modulation_, load_modulation(store, name + ".conv.modulation", in, style_dim, at));
  GPEN_ASSIGN(const FloatView weight, store.view(name + ".conv.weight", {1, out, in.total(), 3, 3}));
  GPEN_ASSIGN(auto noise, store.floats(name + ".noise.weight", {1}));
  GPEN_ASSIGN(auto bias, store.floats(name + ".activate.bias", {2 * out}));
  s.noise_weight_ = noise[0];
  std::vector<float> feature_bias(static_cast<size_t>(s.demodulation_floats()), 0.f);
  std::copy(bias.begin() + out, bias.end(), feature_bias.begin());
  GPEN_ASSIGN(s.feature_bias_, ParameterVector::make(at, std::move(feature_bias)));
  bias.resize(static_cast<size_t>(out));
  const double scale = 1 / std::sqrt(9.0 * static_cast<double>(in.total()));
  GPEN_ASSIGN(s.squared_norms_, load_squared_norms(weight, in, out, scale, at));
  const int64_t split = in.feature > 0 ? in.x : 0;
  if (upsample) {
    GPEN_ASSIGN(s.upconv_,
                UpConv2dWeights::pack(in.total(), out, weight.data(), scale, bias, at, split, algorithm, at.precision));
  } else {
    ConvGeometry g;
    g.in_channels = in.total();
    g.out_channels = out;
    GPEN_ASSIGN(s.conv_, Conv2dWeights::pack(g, weight.data(), scale, bias, at, algorithm, split, at.precision));
  }
  store.release_pages(name + ".conv.weight");
  return s;
}

void StyledConv::forward(Exec& exec, ConvInput in, const float* style, const float* demodulation, TensorView y,
                         const RgbOutput* rgb) const {
  in.in_scale = style;
  ConvEpilogue ep;
  ep.out_scale = demodulation;
  ep.slope = 0.2f;
  ep.gain = kSqrt2;
  ep.rgb = rgb;
  if (upsample_)
    upconv2d(exec, upconv_, in, ep, y);
  else
    conv2d(exec, conv_, in, ep, y);
}

size_t StyledConv::packed_bytes() const {
  return modulation_.packed_bytes() + squared_norms_.packed_bytes() +
         (upsample_ ? upconv_.packed_bytes() : conv_.packed_bytes());
}

Result<ToRgb> ToRgb::load(const WeightStore& store, const std::string& name, ActivationChannels in, int style_dim,
                          const Placement& at) {
  ToRgb t;
  t.in_ = in;
  t.style_dim_ = style_dim;
  GPEN_ASSIGN(t.modulation_, load_modulation(store, name + ".conv.modulation", in, style_dim, at));
  GPEN_ASSIGN(auto weight, store.floats(name + ".conv.weight", {1, 3, in.total(), 1, 1}));
  GPEN_ASSIGN(auto bias, store.floats(name + ".bias", {1, 3, 1, 1}));
  GPEN_ASSIGN(t.weights_, ToRgbWeights::pack(in.x, in.feature, weight.data(), bias.data(), at));
  return t;
}

void ToRgb::forward(Exec& exec, ConvInput in, const float* style, const TensorView& skip, TensorView rgb) const {
  in.in_scale = style;
  to_rgb(exec, weights_, in, skip, rgb);
}

RgbOutput ToRgb::output(ConvInput in, const float* style, const TensorView& skip, TensorView rgb) const {
  in.in_scale = style;
  return {&weights_, in, skip, rgb};
}

}  // namespace gpen
