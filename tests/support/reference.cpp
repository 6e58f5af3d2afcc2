#include "support/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gpen::test {

namespace {

size_t at_index(int64_t i) { return static_cast<size_t>(i); }

template <class Fn>
void for_each(const Tensor& t, Fn fn) {
  for (int64_t n = 0; n < t.n; ++n)
    for (int64_t c = 0; c < t.c; ++c)
      for (int64_t y = 0; y < t.h; ++y)
        for (int64_t x = 0; x < t.w; ++x) fn(n, c, y, x);
}

// Mirror without repeating the edge: -1 -> 1, size -> size - 2.
int64_t mirrored(int64_t i, int64_t size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  i = ((i % period) + period) % period;
  return i < size ? i : period - i;
}

Tensor padded(const Tensor& x, int pad, PadMode mode) {
  Tensor out(x.n, x.c, x.h + 2 * pad, x.w + 2 * pad);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    out.at(n, c, y, xx) = mode == PadMode::reflect ? x.at(n, c, mirrored(y - pad, x.h), mirrored(xx - pad, x.w))
                                                   : x.at_or_zero(n, c, y - pad, xx - pad);
  });
  return out;
}

Tensor absolute(const Tensor& x) {
  return map(x, [](double v) { return std::fabs(v); });
}

double per_channel(const Tensor& s, int64_t n, int64_t c) { return s.empty() ? 1.0 : s.at(n, c, 0, 0); }

}  // namespace

double lrelu(double v, double slope) { return v > 0 ? v : slope * v; }

Tensor map(Tensor x, double (*f)(double)) {
  for (double& v : x.v) v = f(v);
  return x;
}

Tensor concat_channels(const Tensor& a, const Tensor& b) {
  if (b.empty()) return a;
  Tensor out(a.n, a.c + b.c, a.h, a.w);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t x) {
    out.at(n, c, y, x) = c < a.c ? a.at(n, c, y, x) : b.at(n, c - a.c, y, x);
  });
  return out;
}

Tensor batch_item(const Tensor& x, int64_t n) {
  Tensor out(1, x.c, x.h, x.w);
  std::copy_n(x.v.begin() + n * out.count(), out.count(), out.v.begin());
  return out;
}

Tensor convolution(const Tensor& x, const Tensor& weight, int stride, int pad, PadMode mode) {
  const Tensor p = padded(x, pad, mode);
  Tensor out(x.n, weight.n, (p.h - weight.h) / stride + 1, (p.w - weight.w) / stride + 1);
  for_each(out, [&](int64_t n, int64_t o, int64_t y, int64_t xx) {
    double sum = 0;
    for (int64_t i = 0; i < x.c; ++i)
      for (int64_t ky = 0; ky < weight.h; ++ky)
        for (int64_t kx = 0; kx < weight.w; ++kx)
          sum += weight.at(o, i, ky, kx) * p.at(n, i, y * stride + ky, xx * stride + kx);
    out.at(n, o, y, xx) = sum;
  });
  return out;
}

Tensor transposed_convolution_stride2(const Tensor& x, const Tensor& weight) {
  Tensor out(x.n, weight.n, 2 * x.h + weight.h - 2, 2 * x.w + weight.w - 2);
  for_each(x, [&](int64_t n, int64_t i, int64_t y, int64_t xx) {
    for (int64_t o = 0; o < weight.n; ++o)
      for (int64_t ky = 0; ky < weight.h; ++ky)
        for (int64_t kx = 0; kx < weight.w; ++kx)
          out.at(n, o, 2 * y + ky, 2 * xx + kx) += weight.at(o, i, ky, kx) * x.at(n, i, y, xx);
  });
  return out;
}

Tensor depthwise_convolution(const Tensor& x, const Tensor& weight, int stride, int pad) {
  const Tensor p = padded(x, pad, PadMode::zero);
  Tensor out(x.n, x.c, (p.h - weight.h) / stride + 1, (p.w - weight.w) / stride + 1);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    double sum = 0;
    for (int64_t ky = 0; ky < weight.h; ++ky)
      for (int64_t kx = 0; kx < weight.w; ++kx)
        sum += weight.at(c, 0, ky, kx) * p.at(n, c, y * stride + ky, xx * stride + kx);
    out.at(n, c, y, xx) = sum;
  });
  return out;
}

Tensor max_pool(const Tensor& x, int kernel, int stride, int pad) {
  Tensor out(x.n, x.c, (x.h + 2 * pad - kernel) / stride + 1, (x.w + 2 * pad - kernel) / stride + 1);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    double best = -std::numeric_limits<double>::infinity();
    for (int ky = 0; ky < kernel; ++ky)
      for (int kx = 0; kx < kernel; ++kx) {
        const int64_t sy = y * stride + ky - pad, sx = xx * stride + kx - pad;
        if (sy >= 0 && sy < x.h && sx >= 0 && sx < x.w) best = std::max(best, x.at(n, c, sy, sx));
      }
    out.at(n, c, y, xx) = best;
  });
  return out;
}

Tensor upsample_nearest(const Tensor& x, int64_t h, int64_t w) {
  Tensor out(x.n, x.c, h, w);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    out.at(n, c, y, xx) = x.at(n, c, y * x.h / h, xx * x.w / w);
  });
  return out;
}

Tensor pixel_unshuffle(const Tensor& x, int f) {
  Tensor out(x.n, x.c * f * f, x.h / f, x.w / f);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    const int64_t dy = c / f % f, dx = c % f;
    out.at(n, c, y, xx) = x.at(n, c / (f * f), y * f + dy, xx * f + dx);
  });
  return out;
}

Tensor batch_norm(const Tensor& x, const std::vector<double>& weight, const std::vector<double>& bias,
                  const std::vector<double>& mean, const std::vector<double>& variance, double eps) {
  Tensor out = x;
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    const size_t k = at_index(c);
    out.at(n, c, y, xx) = (x.at(n, c, y, xx) - mean[k]) / std::sqrt(variance[k] + eps) * weight[k] + bias[k];
  });
  return out;
}

namespace {

// in() of conv2d.h.
Tensor prologue(const ConvCase& c) {
  Tensor feature = c.feature;
  for_each(feature, [&](int64_t n, int64_t i, int64_t y, int64_t x) {
    double& v = feature.at(n, i, y, x);
    v = lrelu(v * c.feature_gain + c.feature_bias[at_index(i)]) * std::sqrt(2.0);
  });
  Tensor in = concat_channels(c.x, feature);
  for_each(in, [&](int64_t n, int64_t i, int64_t y, int64_t x) { in.at(n, i, y, x) *= per_channel(c.in_scale, n, i); });
  if (c.change_input != nullptr) in = map(std::move(in), c.change_input);
  return in;
}

void epilogue(const ConvCase& c, Judged& out) {
  for_each(out.value, [&](int64_t n, int64_t o, int64_t y, int64_t x) {
    const double bias = c.bias.empty() ? 0 : c.bias[at_index(o)];
    const double scale = c.scale * per_channel(c.out_scale, n, o);
    double v = lrelu(out.value.at(n, o, y, x) * scale + bias, c.slope) * c.gain;
    double m = (out.magnitude.at(n, o, y, x) * std::fabs(scale) + std::fabs(bias)) * std::fabs(c.gain);
    if (!c.residual.empty()) {
      v = lrelu(v + c.residual.at(n, o, y, x), c.residual_slope);
      m += std::fabs(c.residual.at(n, o, y, x));
    }
    if (!c.residual2.empty()) {
      v = v * c.gain2 + c.residual2.at(n, o, y, x);
      m = m * std::fabs(c.gain2) + std::fabs(c.residual2.at(n, o, y, x));
    }
    out.value.at(n, o, y, x) = v;
    out.magnitude.at(n, o, y, x) = m;
  });
}

}  // namespace

Judged conv2d(const ConvCase& c) {
  Tensor in = prologue(c);
  if (c.g.upsample == 2) in = upsample_nearest(in, in.h * 2, in.w * 2);
  Tensor in_magnitude = absolute(in);
  if (c.g.blur_pad > 0) {
    in = upfirdn2d(in, fir4(1), 1, 1, c.g.blur_pad, c.g.blur_pad);
    in_magnitude = upfirdn2d(in_magnitude, fir4(1), 1, 1, c.g.blur_pad, c.g.blur_pad);
  }
  Judged out;
  out.value = convolution(in, c.weight, c.g.stride, c.g.pad, c.g.pad_mode);
  out.magnitude = convolution(in_magnitude, absolute(c.weight), c.g.stride, c.g.pad, c.g.pad_mode);
  epilogue(c, out);
  return out;
}

Judged upconv2d(const ConvCase& c) {
  const Tensor in = prologue(c);
  const auto up = [](const Tensor& x, const Tensor& w) {
    return upfirdn2d(transposed_convolution_stride2(x, w), fir4(4), 1, 1, 1, 1);
  };
  Judged out{up(in, c.weight), up(absolute(in), absolute(c.weight))};
  epilogue(c, out);
  return out;
}

Tensor fir4(double gain) {
  const double taps[4] = {1, 3, 3, 1};
  Tensor f(1, 1, 4, 4);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) f.at(0, 0, y, x) = taps[y] * taps[x] / 64 * gain;
  return f;
}

Tensor upfirdn2d(const Tensor& x, const Tensor& f, int up, int down, int pad0, int pad1) {
  Tensor wide(x.n, x.c, x.h * up + pad0 + pad1, x.w * up + pad0 + pad1);
  for_each(wide, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    const int64_t sy = y - pad0, sx = xx - pad0;
    if (sy < 0 || sy >= x.h * up || sx < 0 || sx >= x.w * up || sy % up != 0 || sx % up != 0) return;
    wide.at(n, c, y, xx) = x.at(n, c, sy / up, sx / up);
  });
  Tensor out(x.n, x.c, (wide.h - f.h) / down + 1, (wide.w - f.w) / down + 1);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    double sum = 0;
    for (int64_t ky = 0; ky < f.h; ++ky)
      for (int64_t kx = 0; kx < f.w; ++kx)
        sum += f.at(0, 0, f.h - 1 - ky, f.w - 1 - kx) * wide.at(n, c, y * down + ky, xx * down + kx);
    out.at(n, c, y, xx) = sum;
  });
  return out;
}

Tensor fused_leaky_relu(const Tensor& x, const std::vector<double>& bias) {
  Tensor out = x;
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    out.at(n, c, y, xx) = std::sqrt(2.0) * lrelu(x.at(n, c, y, xx) + bias[at_index(c)]);
  });
  return out;
}

Tensor equal_linear(const Tensor& x, const Tensor& weight, const std::vector<double>& bias, double lr_mul,
                    bool activate) {
  Tensor out(x.n, weight.n, 1, 1);
  const double scale = lr_mul / std::sqrt(static_cast<double>(weight.c));
  for (int64_t n = 0; n < x.n; ++n)
    for (int64_t o = 0; o < weight.n; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < weight.c; ++i) sum += x.at(n, i, 0, 0) * weight.at(o, i, 0, 0) * scale;
      const double v = sum + bias[at_index(o)] * lr_mul;
      out.at(n, o, 0, 0) = activate ? std::sqrt(2.0) * lrelu(v) : v;
    }
  return out;
}

Tensor pixel_norm(const Tensor& x) {
  Tensor out = x;
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    double sum = 0;
    for (int64_t i = 0; i < x.c; ++i) sum += x.at(n, i, y, xx) * x.at(n, i, y, xx);
    out.at(n, c, y, xx) = x.at(n, c, y, xx) / std::sqrt(sum / static_cast<double>(x.c) + 1e-8);
  });
  return out;
}

Tensor conv_layer(const Tensor& x, const Tensor& weight, const std::vector<double>& bias, bool downsample,
                  const Tensor& blur) {
  Tensor w = weight;
  const double scale = 1 / std::sqrt(static_cast<double>(w.c * w.h * w.w));
  for (double& v : w.v) v *= scale;
  const int blur_pad = w.h == 3 ? 2 : 1;
  const Tensor y = downsample ? convolution(upfirdn2d(x, blur, 1, 1, blur_pad, blur_pad), w, 2, 0)
                              : convolution(x, w, 1, static_cast<int>(w.h / 2));
  return bias.empty() ? y : fused_leaky_relu(y, bias);
}

Tensor modulated_conv2d(const Tensor& x, const Tensor& s, const Tensor& weight, bool demodulate, Resample resample,
                        const Tensor& blur) {
  const double scale = 1 / std::sqrt(static_cast<double>(weight.c * weight.h * weight.w));
  Tensor out;
  for (int64_t n = 0; n < x.n; ++n) {
    Tensor w = weight;
    for (int64_t o = 0; o < w.n; ++o) {
      double squares = 1e-8;
      for (int64_t i = 0; i < w.c; ++i)
        for (int64_t k = 0; k < w.h * w.w; ++k) {
          double& v = w.at(o, i, k / w.w, k % w.w);
          v *= scale * s.at(n, i, 0, 0);
          squares += v * v;
        }
      if (demodulate)
        for (int64_t j = 0; j < w.c * w.h * w.w; ++j) w.v[at_index(o * w.c * w.h * w.w + j)] /= std::sqrt(squares);
    }
    const Tensor one = batch_item(x, n);
    Tensor y;
    if (resample == Resample::up)
      y = upfirdn2d(transposed_convolution_stride2(one, w), blur, 1, 1, 1, 1);
    else if (resample == Resample::down)
      y = convolution(upfirdn2d(one, blur, 1, 1, 2, 2), w, 2, 0);
    else
      y = convolution(one, w, 1, static_cast<int>(w.h / 2));
    if (n == 0) out = Tensor(x.n, y.c, y.h, y.w);
    std::copy(y.v.begin(), y.v.end(), out.v.begin() + n * y.count());
  }
  return out;
}

Tensor styled_conv(const Tensor& x, const Tensor& s, const Tensor& weight, bool upsample, const Tensor& blur,
                   const Tensor& feature, double noise_weight, const std::vector<double>& bias) {
  Tensor noise = feature;
  for (double& v : noise.v) v *= noise_weight;
  const Tensor y = modulated_conv2d(x, s, weight, true, upsample ? Resample::up : Resample::none, blur);
  return fused_leaky_relu(concat_channels(y, noise), bias);
}

Tensor to_rgb(const Tensor& x, const Tensor& s, const Tensor& weight, const std::vector<double>& bias,
              const Tensor& skip, const Tensor& upsample_kernel) {
  Tensor out = modulated_conv2d(x, s, weight, false, Resample::none, {});
  const Tensor enlarged = skip.empty() ? Tensor() : upfirdn2d(skip, upsample_kernel, 2, 1, 2, 1);
  for_each(out, [&](int64_t n, int64_t c, int64_t y, int64_t xx) {
    out.at(n, c, y, xx) += bias[at_index(c)] + (enlarged.empty() ? 0.0 : enlarged.at(n, c, y, xx));
  });
  return out;
}

}  // namespace gpen::test
