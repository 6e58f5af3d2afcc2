#include "bench/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/layout.h"
#include "support/reference.h"

namespace gpen::bench {

namespace {

using test::Tensor;

double at(const TensorView& t, int64_t c, int64_t y, int64_t x) {
  return t.block(0, c / kBlock)[(y * t.w + x) * kBlock + c % kBlock];
}

// A square part of the input that the reference is computed from; its result holds except near the sides where the
// part does not end with the picture.
struct Window {
  int64_t y0, x0, size;
};

// Rows (or columns) next to a cut side whose result needs input from beyond it.
int64_t margin(Kind kind) { return kind == Kind::up ? 2 : 1; }
// First output row that belongs to an input row.
int64_t to_output(Kind kind, int64_t i) { return kind == Kind::up ? 2 * i : kind == Kind::down ? i / 2 : i; }

std::vector<Window> choose_windows(const Problem& p, std::mt19937& rng) {
  const int64_t size = std::min<int64_t>(p.kind == Kind::down ? 12 : 8, p.side), last = p.side - size;
  if (last == 0) return {{0, 0, size}};
  auto place = [&] {
    const auto i = static_cast<int64_t>(rng() % static_cast<uint64_t>(last + 1));
    return p.kind == Kind::down ? i / 2 * 2 : i;
  };
  std::vector<Window> windows = {{0, 0, size}, {0, last, size}, {last, 0, size}, {last, last, size}};
  for (int i = 0; i < 3; ++i) windows.push_back({place(), place(), size});
  return windows;
}

// The formula of RgbStem.
double stem_value(const LayerData& d, int64_t c, int64_t y, int64_t x) {
  const float* pixel = d.pixels.floats() + (y * d.problem.side + x) * 4;
  const float* weight = d.stem_weight.data() + c / kBlock * 4 * kBlock + c % kBlock;
  double sum = weight[3 * kBlock];
  for (int64_t k = 0; k < 3; ++k) sum += static_cast<double>(pixel[k]) * weight[k * kBlock];
  return test::lrelu(sum);
}

// A window of d.x or d.feature.
Tensor crop(const LayerData& d, const TensorView& t, const Window& w) {
  if (t.c == 0) return {};
  Tensor out(1, t.c, w.size, w.size);
  for (int64_t c = 0; c < t.c; ++c)
    for (int64_t y = 0; y < w.size; ++y)
      for (int64_t x = 0; x < w.size; ++x)
        out.at(0, c, y, x) = t.data == nullptr ? stem_value(d, c, w.y0 + y, w.x0 + x) : at(t, c, w.y0 + y, w.x0 + x);
  return out;
}

// The real channels of a vector whose parts are padded to whole blocks.
Tensor unpadded(const std::vector<float>& padded, int64_t first, int64_t second) {
  if (padded.empty()) return {};
  std::vector<double> v(padded.begin(), padded.begin() + first);
  const auto rest = padded.begin() + ceil_div(first, kBlock) * kBlock;
  v.insert(v.end(), rest, rest + second);
  return Tensor(1, first + second, 1, 1, std::move(v));
}

// The layer for a few output channels: everything but the input.
test::ConvCase make_case(const LayerData& d, const std::vector<int64_t>& channels) {
  const Problem& p = d.problem;
  const int64_t count = static_cast<int64_t>(channels.size()), per_channel = p.in * 9;
  const ConvEpilogue ep = d.epilogue();
  test::ConvCase c;
  c.scale = d.scale;
  c.slope = ep.slope;
  c.gain = ep.gain;
  c.weight = Tensor(count, p.in, 3, 3);
  if (!d.demodulation.empty()) c.out_scale = Tensor(1, count, 1, 1);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t o = channels[static_cast<size_t>(i)];
    const float* weight = d.weight.data() + o * per_channel;
    std::copy_n(weight, per_channel, c.weight.v.begin() + i * per_channel);
    if (!d.bias.empty()) c.bias.push_back(d.bias[static_cast<size_t>(o)]);
    if (!c.out_scale.empty()) c.out_scale.at(0, i, 0, 0) = d.demodulation[static_cast<size_t>(o)];
  }
  c.in_scale = unpadded(d.style, p.in - p.feature, p.feature);
  c.feature_gain = d.feature_gain;
  c.feature_bias.assign(d.feature_bias.begin(), d.feature_bias.end());
  return c;
}

// upconv2d.h: the prologue and epilogue of conv2d.h around a transposed convolution and its blur.
Tensor upconv2d_reference(const test::ConvCase& c) {
  Tensor feature = c.feature;
  for (int64_t i = 0; i < feature.c; ++i)
    for (int64_t j = 0; j < feature.h * feature.w; ++j) {
      double& v = feature.at(0, i, j / feature.w, j % feature.w);
      v = test::lrelu(v * c.feature_gain + c.feature_bias[static_cast<size_t>(i)]) * std::sqrt(2.0);
    }
  Tensor in = test::concat_channels(c.x, feature);
  for (int64_t i = 0; i < in.c && !c.in_scale.empty(); ++i)
    for (int64_t j = 0; j < in.h * in.w; ++j) in.at(0, i, j / in.w, j % in.w) *= c.in_scale.at(0, i, 0, 0);
  Tensor y = test::upfirdn2d(test::transposed_convolution_stride2(in, c.weight), test::fir4(4), 1, 1, 1, 1);
  for (int64_t o = 0; o < y.c; ++o) {
    const double scale = c.scale * (c.out_scale.empty() ? 1 : c.out_scale.at(0, o, 0, 0));
    const double bias = c.bias.empty() ? 0 : c.bias[static_cast<size_t>(o)];
    for (int64_t j = 0; j < y.h * y.w; ++j) {
      double& v = y.at(0, o, j / y.w, j % y.w);
      v = test::lrelu(v * scale + bias, c.slope) * c.gain;
    }
  }
  return y;
}

}  // namespace

std::vector<Sample> reference_samples(const LayerData& data, uint32_t seed) {
  const Problem& p = data.problem;
  std::mt19937 rng(seed);
  auto any = [&] { return static_cast<int64_t>(rng() % static_cast<uint64_t>(p.out)); };
  std::vector<Sample> samples;
  for (const Window& w : choose_windows(p, rng)) {
    const std::vector<int64_t> channels = {0, any(), any(), p.out - 1};
    test::ConvCase c = make_case(data, channels);
    c.x = crop(data, data.x, w);
    c.feature = crop(data, data.feature, w);
    Tensor result;
    if (p.kind == Kind::up) {
      result = upconv2d_reference(c);
    } else {
      c.g = p.geometry();
      result = test::conv2d(c).value;
    }
    const int64_t y0 = to_output(p.kind, w.y0), x0 = to_output(p.kind, w.x0), cut = margin(p.kind);
    const int64_t top = w.y0 == 0 ? 0 : cut, left = w.x0 == 0 ? 0 : cut;
    const int64_t bottom = result.h - (w.y0 + w.size == p.side ? 0 : cut);
    const int64_t right = result.w - (w.x0 + w.size == p.side ? 0 : cut);
    for (int64_t o = 0; o < result.c; ++o)
      for (int64_t y = top; y < bottom; ++y)
        for (int64_t x = left; x < right; ++x)
          samples.push_back({channels[static_cast<size_t>(o)], y0 + y, x0 + x, result.at(0, o, y, x)});
  }
  return samples;
}

double sampled_error(const std::vector<Sample>& samples, const TensorView& y) {
  for (int64_t i = 0; i < y.image_size(); ++i)
    if (!std::isfinite(y.data[i])) return std::numeric_limits<double>::infinity();
  double worst = 0, squares = 0;
  for (const Sample& s : samples) {
    worst = std::max(worst, std::abs(at(y, s.channel, s.row, s.col) - s.value));
    squares += s.value * s.value;
  }
  return worst / std::sqrt(squares / static_cast<double>(samples.size()));
}

double error_limit(const Problem& p, Precision precision) {
  if (precision == Precision::bf16) return 64 * 0x1p-9;
  constexpr double kFactor = 16, kUnit = 0x1p-24;
  return kFactor * kUnit * (4 + std::sqrt(9 * static_cast<double>(p.in)));
}

int64_t bare_in_side(const Problem& p) { return p.kind == Kind::down ? p.side + 1 : p.side; }
int64_t bare_out_side(const Problem& p) { return p.kind == Kind::up ? 2 * p.side + 1 : p.out_side(); }

double bare_value(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x, int64_t o,
                  int64_t row, int64_t col) {
  const int64_t side = bare_in_side(p), k = 3, pad = p.kind == Kind::conv ? 1 : 0;
  // The input position that a tap meets, or -1.
  auto position = [&](int64_t at, int64_t tap) -> int64_t {
    int64_t i = p.kind == Kind::down ? 2 * at + tap : at + tap - pad;
    if (p.kind == Kind::up) i = (at - tap) % 2 == 0 ? (at - tap) / 2 : -1;
    return i < side ? i : -1;
  };
  double sum = 0;
  for (int64_t c = 0; c < p.in; ++c)
    for (int64_t ky = 0; ky < k; ++ky)
      for (int64_t kx = 0; kx < k; ++kx) {
        const int64_t y0 = position(row, ky), x0 = position(col, kx);
        if (y0 < 0 || x0 < 0) continue;
        sum += static_cast<double>(weight[static_cast<size_t>(((o * p.in + c) * k + ky) * k + kx)]) *
               x[static_cast<size_t>((c * side + y0) * side + x0)];
      }
  return sum;
}

double bare_error(const Problem& p, bool channels_last, const std::vector<float>& weight, const std::vector<float>& x,
                  const std::vector<float>& y) {
  const int64_t side = bare_out_side(p);
  std::mt19937 rng(1);
  auto below = [&](int64_t n) { return static_cast<int64_t>(rng() % static_cast<uint64_t>(n)); };
  double worst = 0, squares = 0;
  for (int i = 0; i < 64; ++i) {
    const int64_t o = below(p.out), row = i < 4 ? i / 2 * (side - 1) : below(side);
    const int64_t col = i < 4 ? i % 2 * (side - 1) : below(side);
    const double value = bare_value(p, weight, x, o, row, col);
    const int64_t at = channels_last ? (row * side + col) * p.out + o : (o * side + row) * side + col;
    const double error = std::abs(value - y[static_cast<size_t>(at)]);
    worst = error <= worst ? worst : error;  // NaN is kept
    squares += value * value;
  }
  return worst / std::sqrt(squares / 64);
}

std::vector<float> planar_copy(const TensorView& t, ThreadPool& pool) {
  std::vector<float> values(static_cast<size_t>(t.c * t.plane()));
  Workspace unused;
  Exec exec{pool, unused};
  (void)to_planar(exec, t, make_view(values.data(), 1, t.c, t.h, t.w));
  return values;
}

Problem bare_problem(const Problem& p) {
  Problem bare = p;
  bare.feature = 0;
  bare.stem = false;
  bare.side = bare_in_side(p);
  bare.kind = Kind::conv;
  return bare;
}

void poison(TensorView y) { std::fill_n(y.data, y.image_size(), std::numeric_limits<float>::quiet_NaN()); }

}  // namespace gpen::bench
