// Cases of linear, to_rgb and the stored stem, shared by the tests of the processor's and the devices' kernels.
#pragma once
#include "kernels/linear.h"
#include "kernels/to_rgb.h"
#include "support/conv_runner.h"
#include "support/kernel_cases.h"

namespace gpen::test {

// --- linear ----------------------------------------------------------------------------------------------------------

struct LinearCase {
  Tensor x, weight;          // n x inputs x 1 x 1, outputs x inputs x 1 x 1; weights times 1/sqrt(inputs)
  std::vector<double> bias;  // empty: none
};
inline LinearCase linear_case(int64_t n, int64_t inputs, int64_t outputs, bool bias, std::mt19937& rng) {
  LinearCase c{random_uniform(n, inputs, 1, 1, -1, 1, rng), random_uniform(outputs, inputs, 1, 1, -1, 1, rng), {}};
  if (bias) c.bias = random_uniform(1, outputs, 1, 1, -1, 1, rng).v;
  return c;
}
inline LinearCase image_of(const LinearCase& c, int64_t n) { return {batch_item(c.x, n), c.weight, c.bias}; }

// Demodulation takes the weights' magnitudes: its sums are those of squares.
inline Tensor weight_for(const LinearCase& c, LinearForm form) {
  return form == LinearForm::demodulation ? map(c.weight, [](double v) { return std::fabs(v); }) : c.weight;
}

inline Tensor expected_linear(const LinearCase& c, LinearForm form) {
  if (form != LinearForm::demodulation) {
    const std::vector<double> none(static_cast<size_t>(c.weight.n), 0.0);
    return equal_linear(c.x, c.weight, c.bias.empty() ? none : c.bias, 1, form == LinearForm::fused_lrelu);
  }
  const Tensor weight = weight_for(c, form);
  Tensor y(c.x.n, weight.n, 1, 1);
  for (int64_t n = 0; n < y.n; ++n)
    for (int64_t o = 0; o < y.c; ++o) {
      double sum = 0;
      for (int64_t k = 0; k < c.x.c; ++k) sum += c.x.at(n, k, 0, 0) * c.x.at(n, k, 0, 0) * weight.at(o, k, 0, 0);
      y.at(n, o, 0, 0) = 1 / std::sqrt(sum / std::sqrt(static_cast<double>(c.x.c)) + 1e-8);
    }
  return y;
}

// All cases (of the same batch) in one call. x lies `shift` floats behind an aligned address.
inline std::vector<Tensor> run_linear(const std::vector<LinearCase>& cases, LinearForm form, ThreadPool& pool,
                                      const Target& on = {}, int64_t shift = 0) {
  std::vector<LinearWeights> weights;
  std::vector<GuardedTensor> x, y;
  std::vector<LinearJob> jobs;
  const int64_t n = cases.front().x.n;
  for (const LinearCase& c : cases) {
    auto packed =
        LinearWeights::pack(to_floats(weight_for(c, form).v).data(), c.weight.n, c.weight.c,
                            1 / std::sqrt(static_cast<double>(c.weight.c)), to_floats(c.bias), 1, {pool, on.device});
    EXPECT_TRUE(packed.ok()) << packed.status().message();
    if (!packed.ok()) return {};
    weights.push_back(std::move(packed).value());
    x.emplace_back(c.x, Layout::nchw, c.x.c + shift, shift, on.device);
    y.emplace_back(n, weights.back().outputs(), 1, 1, Layout::nchw, weights.back().outputs() + 3, 0, on.device);
  }
  for (size_t i = 0; i < cases.size(); ++i)
    jobs.push_back(
        {&weights[i], x[i].view().data, x[i].view().batch_stride, y[i].view().data, y[i].view().batch_stride});
  const Status status = run_planned(pool, on.device, on.type, [&](Exec& exec) {
    linear(exec, jobs, n, form);
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<Tensor> results;
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_TRUE(y[i].intact());
    const Tensor all = y[i].values();
    Tensor& result = results.emplace_back(n, cases[i].weight.n, 1, 1);
    const double beyond = form == LinearForm::demodulation ? 1e4 : 0;  // outputs without a row of weights
    for (int64_t b = 0; b < n; ++b)
      for (int64_t o = 0; o < all.c; ++o)
        if (o < result.c)
          result.at(b, o, 0, 0) = all.at(b, o, 0, 0);
        else
          EXPECT_FLOAT_EQ(static_cast<float>(all.at(b, o, 0, 0)), static_cast<float>(beyond));
  }
  return results;
}
inline Tensor run_linear(const LinearCase& c, LinearForm form, ThreadPool& pool, const Target& on = {}) {
  const std::vector<Tensor> results = run_linear(std::vector{c}, form, pool, on);
  return results.empty() ? Tensor() : results.front();
}

// x: n rows; returns them normalised, and checks that nothing beyond each row's end was written.
inline Tensor run_pixel_norm(const Tensor& x, ThreadPool& pool, const Target& on = {}) {
  const GuardedTensor rows(x, Layout::nchw, x.c + 16, 0, on.device);
  const Status status = run_planned(pool, on.device, on.type, [&](Exec& exec) {
    pixel_norm(exec, rows.view().data, x.n, x.c, rows.view().batch_stride);
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(rows.intact());
  return rows.values();
}

// --- to_rgb ----------------------------------------------------------------------------------------------------------

struct RgbCase {
  Tensor x, feature;  // feature empty: none
  double feature_gain = 0.5;
  std::vector<double> feature_bias;
  Tensor weight, style;  // 3 x channels x 1 x 1, n x channels x 1 x 1
  std::vector<double> bias;
  Tensor skip;  // empty: none
};
inline RgbCase rgb_case(const Size& s, int64_t feature, bool skip, std::mt19937& rng,
                        ElementType type = ElementType::f32) {
  RgbCase c;
  const int64_t channels = s.c + feature;
  c.x = rounded(random_uniform(s.n, s.c, s.h, s.w, -1, 1, rng), type);
  if (feature > 0) {
    c.feature = rounded(random_uniform(s.n, feature, s.h, s.w, -1, 1, rng), type);
    c.feature_bias = random_uniform(1, feature, 1, 1, -1, 1, rng).v;
  }
  c.weight = random_uniform(3, channels, 1, 1, -1, 1, rng);
  c.style = random_uniform(s.n, channels, 1, 1, 0.5, 1.5, rng);
  c.bias = random_uniform(1, 3, 1, 1, -1, 1, rng).v;
  if (skip) c.skip = random_uniform(s.n, 3, s.h / 2, s.w / 2, -1, 1, rng);
  return c;
}
inline RgbCase image_of(const RgbCase& c, int64_t n) {
  RgbCase one = c;
  one.x = batch_item(c.x, n);
  one.feature = item_or_empty(c.feature, n);
  one.style = batch_item(c.style, n);
  one.skip = item_or_empty(c.skip, n);
  return one;
}

inline Tensor expected_to_rgb(const RgbCase& c) {
  Tensor whole = c.x;
  if (!c.feature.empty()) {
    Tensor noise = c.feature;
    for (double& v : noise.v) v *= c.feature_gain;
    whole = concat_channels(c.x, fused_leaky_relu(noise, c.feature_bias));
  }
  return to_rgb(whole, c.style, c.weight, c.bias, c.skip, fir4(4));
}

// stem: what computes the feature, on the processor. slices: x and the feature are channel slices.
inline Tensor run_to_rgb(const RgbCase& c, const Target& on = {}, const StemCase* stem = nullptr, bool slices = false) {
  ThreadPool pool(2);
  const std::vector<float> bias = to_floats(c.bias);
  auto packed = ToRgbWeights::pack(c.x.c, c.feature.c, to_floats(c.weight.v).data(), bias.data(), {pool, on.device});
  EXPECT_TRUE(packed.ok()) << packed.status().message();
  if (!packed.ok()) return {};
  const bool has_feature = !c.feature.empty();
  const Tensor none(1, 1, 1, 1);
  const int64_t first = slices ? 16 : 0;
  const GuardedTensor x = on.activation(c.x, slice_total(c.x.c, slices), first);
  const GuardedTensor feature =
      has_feature ? on.activation(c.feature, slice_total(c.feature.c, slices), first) : on.activation(none);
  const GuardedTensor skip = on.planar(c.skip.empty() ? none : c.skip), y = on.planar(c.x.n, 3, c.x.h, c.x.w);
  const ParameterVector style = on.floats(pool, padded_rows(c.style, {c.x.c, c.feature.c}));
  ParameterVector feature_bias;
  ConvInput in;
  in.x = x.view();
  in.in_scale = style.data();
  if (has_feature) {
    in.feature = feature.view();
    in.feature_gain = static_cast<float>(c.feature_gain);
    feature_bias = on.floats(pool, padded_rows(Tensor(1, c.feature.c, 1, 1, c.feature_bias), {c.feature.c}));
    in.feature_bias = feature_bias.data();
  }
  std::vector<StemBuffers> stem_buffers;
  if (stem != nullptr) in.stem = stem_buffers.emplace_back(*stem, pool).stem();
  const Status status = run_planned(pool, on.device, on.type, [&](Exec& exec) {
    to_rgb(exec, *packed, in, c.skip.empty() ? TensorView() : skip.view(), y.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(y.intact());
  return y.values();
}

// --- the stored stem -------------------------------------------------------------------------------------------------

inline StemCase random_stem(int64_t channels, int64_t n, int64_t h, int64_t w, std::mt19937& rng) {
  StemCase s;
  s.rgb = rounded(random_uniform(n, 3, h, w, -1, 1, rng));
  s.weight = rounded(random_uniform(channels, 3, 1, 1, -1, 1, rng));
  s.bias = rounded(random_uniform(1, channels, 1, 1, -0.5, 0.5, rng)).v;
  s.scale = 1 / std::sqrt(3.0);
  return s;
}
inline StemCase image_of(const StemCase& s, int64_t n) { return {batch_item(s.rgb, n), s.weight, s.scale, s.bias}; }

// The stem's tensor as apply_rgb_stem stores it.
inline Tensor stored(const StemCase& s, int64_t channels, int threads = 2, const Target& on = {}) {
  ThreadPool pool(threads);
  const GuardedTensor rgb = on.planar(s.rgb), pixels = on.planar(s.rgb.n, s.rgb.h, s.rgb.w, 4);
  const ParameterVector weight =
      on.floats(pool, pack_rgb_stem(s.weight.n, to_floats(s.weight.v).data(), s.scale, to_floats(s.bias).data()));
  const GuardedTensor y = on.activation(s.rgb.n, channels, s.rgb.h, s.rgb.w, slice_total(channels, true), 32);
  const Status status = run_planned(pool, on.device, on.type, [&](Exec& exec) {
    to_stem_pixels(exec, rgb.view(), pixels.view().data);
    apply_rgb_stem(exec, {pixels.view().data, weight.data()}, y.view());
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(pixels.intact());
  EXPECT_TRUE(y.intact());
  return y.values();
}

}  // namespace gpen::test
