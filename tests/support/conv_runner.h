// Runs conv2d and upconv2d on a ConvCase (reference.h) in guarded, poisoned buffers.
#pragma once
#include "kernels/rgb_stem.h"
#include "kernels/upconv2d.h"
#include "runtime/parameters.h"
#include "support/compare.h"
#include "support/reference.h"

namespace gpen::test {

// The 1x1 convolution of a picture that stands for the feature, or for x where there is no feature.
struct StemCase {
  Tensor rgb, weight;  // n x 3 x h x w, channels x 3 x 1 x 1
  double scale = 1;
  std::vector<double> bias;
  // fused_leaky_relu of the convolution.
  Tensor value() const {
    Tensor scaled = weight;
    for (double& v : scaled.v) v *= scale;
    return fused_leaky_relu(convolution(rgb, scaled, 1, 0), bias);
  }
};

struct ConvRun {
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  Precision precision = Precision::fp32;
  int threads = 2;
  bool in_place = false;  // y is the residual (or residual2 when there is no residual)
  bool slices = true;     // x and y are channel slices of larger tensors
  const StemCase* stem = nullptr;
  std::shared_ptr<Device> device = nullptr;
  Layout layout() const { return device != nullptr ? Layout::nhwc : Layout::nchw16c; }
  ElementType type() const { return device != nullptr ? storage_of(precision) : ElementType::f32; }
};
inline int64_t slice_total(int64_t c, bool slice) { return slice ? ceil_div(c, kBlock) * kBlock + 48 : 0; }

inline Tensor item_or_empty(const Tensor& t, int64_t n) { return t.empty() ? Tensor() : batch_item(t, n); }

// A [n][channels] tensor as conv2d takes its scales: each row's parts rounded up to 16, zero beyond.
inline std::vector<float> padded_rows(const Tensor& rows, const std::vector<int64_t>& parts) {
  std::vector<float> out;
  for (int64_t n = 0; n < rows.n; ++n) {
    int64_t c = 0;
    for (int64_t part : parts) {
      for (int64_t i = 0; i < part; ++i) out.push_back(static_cast<float>(rows.at(n, c++, 0, 0)));
      while (out.size() % kBlock != 0) out.push_back(0);
    }
  }
  return out;
}

// The case of one image of the batch.
inline ConvCase image_of(const ConvCase& c, int64_t n) {
  ConvCase one = c;
  one.x = batch_item(c.x, n);
  one.in_scale = item_or_empty(c.in_scale, n);
  one.feature = item_or_empty(c.feature, n);
  one.out_scale = item_or_empty(c.out_scale, n);
  one.residual = item_or_empty(c.residual, n);
  one.residual2 = item_or_empty(c.residual2, n);
  return one;
}

inline GuardedTensor activation_or_dummy(const Tensor& t, const ConvRun& how) {
  if (t.empty()) return GuardedTensor(1, 1, 1, 1, Layout::nchw);
  return GuardedTensor(t, how.layout(), 0, 0, how.device, how.type());
}
inline ParameterVector parameters(std::vector<float> values, const ConvRun& how, ThreadPool& pool) {
  auto made = ParameterVector::make({pool, how.device}, std::move(values));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(made).value();
}

// A picture and its weights as RgbStem takes them.
struct StemBuffers {
  std::vector<float> weight, pixels;
  StemBuffers(const StemCase& s, ThreadPool& pool)
      : weight(pack_rgb_stem(s.weight.n, to_floats(s.weight.v).data(), s.scale, to_floats(s.bias).data())),
        pixels(static_cast<size_t>(s.rgb.n * s.rgb.h * s.rgb.w * 4), std::nanf("")) {
    const GuardedTensor rgb(s.rgb, Layout::nchw);
    Workspace ws;
    Exec exec{pool, ws};
    to_stem_pixels(exec, rgb.view(), pixels.data());
  }
  RgbStem stem() const { return {pixels.data(), weight.data()}; }
};

// The input of a case in memory. What a stem computes has no memory.
struct InputBuffers {
  GuardedTensor x, feature;
  ParameterVector in_scale, feature_bias;
  std::vector<StemBuffers> stem;
  ConvInput in;
  InputBuffers(const ConvCase& c, const ConvRun& how, ThreadPool& pool)
      : x(c.x, how.layout(), slice_total(c.x.c, how.slices), how.slices ? 16 : 0, how.device, how.type()),
        feature(activation_or_dummy(c.feature, how)) {
    const auto shape_of = [](const Tensor& t) { return make_view(nullptr, t.n, t.c, t.h, t.w, Layout::nchw16c); };
    const bool has_feature = !c.feature.empty();
    in.x = how.stem != nullptr && !has_feature ? shape_of(c.x) : x.view();
    if (!c.in_scale.empty()) {
      in_scale = parameters(padded_rows(c.in_scale, {c.x.c, c.feature.c}), how, pool);
      in.in_scale = in_scale.data();
    }
    if (has_feature) {
      in.feature = how.stem != nullptr ? shape_of(c.feature) : feature.view();
      in.feature_gain = static_cast<float>(c.feature_gain);
      feature_bias = parameters(padded_rows(Tensor(1, c.feature.c, 1, 1, c.feature_bias), {c.feature.c}), how, pool);
      in.feature_bias = feature_bias.data();
    }
    if (how.stem != nullptr) in.stem = stem.emplace_back(*how.stem, pool).stem();
  }
};

inline Tensor run_conv2d(const ConvCase& c, const ConvRun& how) {
  ThreadPool pool(how.threads);
  const auto weights = Conv2dWeights::pack(c.g, to_floats(c.weight.v).data(), c.scale, to_floats(c.bias),
                                           {pool, how.device}, how.algorithm, c.feature.empty() ? 0 : c.x.c, how.precision);
  EXPECT_TRUE(weights.ok()) << weights.status().message();
  if (!weights.ok()) return {};
  const InputBuffers input(c, how, pool);

  const int64_t h = c.g.out_size(c.x.h, c.g.kernel_h), w = c.g.out_size(c.x.w, c.g.kernel_w), out = c.g.out_channels;
  const GuardedTensor residual = activation_or_dummy(c.residual, how),
                      residual2 = activation_or_dummy(c.residual2, how);
  ParameterVector out_scale;
  ConvEpilogue ep;
  if (!c.out_scale.empty()) {
    out_scale = parameters(padded_rows(c.out_scale, {out}), how, pool);
    ep.out_scale = out_scale.data();
  }
  ep.slope = static_cast<float>(c.slope);
  ep.gain = static_cast<float>(c.gain);
  ep.residual_slope = static_cast<float>(c.residual_slope);
  ep.gain2 = static_cast<float>(c.gain2);
  if (!c.residual.empty()) ep.residual = residual.view();
  if (!c.residual2.empty()) ep.residual2 = residual2.view();

  const GuardedTensor fresh(c.x.n, out, h, w, how.layout(), slice_total(out, how.slices), how.slices ? 32 : 0, how.device,
                            how.type());
  const GuardedTensor& y = !how.in_place ? fresh : c.residual.empty() ? residual2 : residual;
  const Status status = run_planned(pool, how.device, how.type(), [&](Exec& exec) {
    conv2d(exec, *weights, input.in, ep, y.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(input.x.intact()) << "input";
  EXPECT_TRUE(y.intact()) << "output";
  return y.values();
}

inline Tensor run_upconv2d(const ConvCase& c, const ConvRun& how) {
  ThreadPool pool(how.threads);
  const int64_t out = c.g.out_channels;
  const auto weights =
      UpConv2dWeights::pack(c.g.in_channels, out, to_floats(c.weight.v).data(), c.scale, to_floats(c.bias),
                            {pool, how.device}, c.feature.empty() ? 0 : c.x.c, how.algorithm, how.precision);
  EXPECT_TRUE(weights.ok()) << weights.status().message();
  if (!weights.ok()) return {};
  const InputBuffers input(c, how, pool);
  ParameterVector out_scale;
  ConvEpilogue ep;
  if (!c.out_scale.empty()) {
    out_scale = parameters(padded_rows(c.out_scale, {out}), how, pool);
    ep.out_scale = out_scale.data();
  }
  ep.slope = static_cast<float>(c.slope);
  ep.gain = static_cast<float>(c.gain);
  const GuardedTensor y(c.x.n, out, 2 * c.x.h, 2 * c.x.w, how.layout(), slice_total(out, how.slices),
                        how.slices ? 32 : 0, how.device, how.type());
  const Status status = run_planned(pool, how.device, how.type(), [&](Exec& exec) {
    upconv2d(exec, *weights, input.in, ep, y.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(input.x.intact()) << "input";
  EXPECT_TRUE(y.intact()) << "output";
  return y.values();
}

}  // namespace gpen::test
