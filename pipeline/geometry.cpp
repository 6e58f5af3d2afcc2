#include "pipeline/geometry.h"

#include <algorithm>
#include <type_traits>

namespace gpen {

Affine inverse(const Affine& a) {
  const double d = a.determinant();
  Affine r;
  r.m[0] = {a.m[1][1] / d, -a.m[0][1] / d, 0};
  r.m[1] = {-a.m[1][0] / d, a.m[0][0] / d, 0};
  for (int i = 0; i < 2; ++i) r.m[i][2] = -(r.m[i][0] * a.m[0][2] + r.m[i][1] * a.m[1][2]);
  return r;
}

namespace {

template <class Out>
inline Out store(float v) {
  if constexpr (std::is_same_v<Out, uint8_t>)
    return to_byte(v);
  else
    return v;
}

// Where a destination column or row samples: two neighbours and the weight of the second.
struct Tap {
  int first, second;
  float weight;
};

std::vector<Tap> resize_taps(int source, int destination, double step) {
  std::vector<Tap> taps(static_cast<size_t>(destination));
  for (int i = 0; i < destination; ++i) {
    const double at = std::clamp((i + 0.5) * step - 0.5, 0.0, source - 1.0);
    const int first = static_cast<int>(at);
    taps[static_cast<size_t>(i)] = {first, std::min(first + 1, source - 1), static_cast<float>(at - first)};
  }
  return taps;
}

}  // namespace

template <class In, class Out>
void resize_bilinear(Pixels<const In> source, Pixels<Out> destination, ThreadPool& pool, double step_x, double step_y) {
  if (step_x <= 0) step_x = static_cast<double>(source.width) / destination.width;
  if (step_y <= 0) step_y = static_cast<double>(source.height) / destination.height;
  const std::vector<Tap> columns = resize_taps(source.width, destination.width, step_x);
  const std::vector<Tap> rows = resize_taps(source.height, destination.height, step_y);
  const int channels = source.channels;
  pool.parallel_for(destination.height, [&](int64_t y, int) {
    const Tap& row = rows[static_cast<size_t>(y)];
    const In* upper = source.row(row.first);
    const In* lower = source.row(row.second);
    Out* out = destination.row(static_cast<int>(y));
    for (const Tap& t : columns) {
      const int a = t.first * channels, b = t.second * channels;
      for (int c = 0; c < channels; ++c) {
        const float top =
            static_cast<float>(upper[a + c]) * (1 - t.weight) + static_cast<float>(upper[b + c]) * t.weight;
        const float low =
            static_cast<float>(lower[a + c]) * (1 - t.weight) + static_cast<float>(lower[b + c]) * t.weight;
        *out++ = store<Out>(top * (1 - row.weight) + low * row.weight);
      }
    }
  });
}

template void resize_bilinear(Pixels<const uint8_t>, Pixels<uint8_t>, ThreadPool&, double, double);
template void resize_bilinear(Pixels<const uint8_t>, Pixels<float>, ThreadPool&, double, double);
template void resize_bilinear(Pixels<const float>, Pixels<float>, ThreadPool&, double, double);

Image resize_bilinear(const Image& image, int width, int height, ThreadPool& pool) {
  Image out(width, height);
  resize_bilinear<uint8_t, uint8_t>(view(image), view(out), pool);
  if (!image.alpha.empty()) {
    out.alpha.resize(static_cast<size_t>(out.pixels()));
    resize_bilinear<uint8_t, uint8_t>({image.alpha.data(), image.width, image.height, 1},
                                      {out.alpha.data(), width, height, 1}, pool);
  }
  out.format = image.format;
  out.was_gray = image.was_gray;
  out.was_16_bit = image.was_16_bit;
  out.orientation = image.orientation;
  return out;
}

namespace {

template <int kChannels, class In, class Out>
void warp_rows(Pixels<const In> source, const Affine& to_source, Pixels<Out> destination, ThreadPool& pool) {
  pool.parallel_for(destination.height, [&](int64_t y, int) {
    Out* out = destination.row(static_cast<int>(y));
    float value[kChannels];
    for (int x = 0; x < destination.width; ++x) {
      sample_bilinear<kChannels>(source, to_source({static_cast<double>(x), static_cast<double>(y)}), value);
      for (int c = 0; c < kChannels; ++c) *out++ = store<Out>(value[c]);
    }
  });
}

}  // namespace

template <class In, class Out>
void warp_affine(Pixels<const In> source, const Affine& to_source, Pixels<Out> destination, ThreadPool& pool) {
  if (source.channels == 1)
    warp_rows<1>(source, to_source, destination, pool);
  else
    warp_rows<3>(source, to_source, destination, pool);
}

template void warp_affine(Pixels<const uint8_t>, const Affine&, Pixels<uint8_t>, ThreadPool&);
template void warp_affine(Pixels<const uint8_t>, const Affine&, Pixels<float>, ThreadPool&);
template void warp_affine(Pixels<const float>, const Affine&, Pixels<float>, ThreadPool&);

// Without the taps that are lost in a float's rounding.
std::vector<float> half_gaussian(int taps, double sigma) {
  constexpr double kNegligible = 1e-9;  // a hundredth of float's half step at 1
  std::vector<double> half(static_cast<size_t>(taps / 2 + 1));
  double sum = 0;
  for (size_t i = 0; i < half.size(); ++i) {
    half[i] = std::exp(-static_cast<double>(i * i) / (2 * sigma * sigma));
    sum += i == 0 ? half[i] : 2 * half[i];
  }
  std::vector<float> kernel;
  for (double v : half)
    if (v / sum >= kNegligible) kernel.push_back(static_cast<float>(v / sum));
  return kernel;
}

void gaussian_blur(Plane* plane, int taps, double sigma, ThreadPool& pool) {
  const std::vector<float> kernel = half_gaussian(taps, sigma);
  const int reach = static_cast<int>(kernel.size()) - 1;
  const int width = plane->width, height = plane->height;
  Plane columns(width, height);
  pool.parallel_for(height, [&](int64_t y64, int) {  // along columns
    const int y = static_cast<int>(y64);
    float* out = view(columns).row(y);
    for (int k = -reach; k <= reach; ++k) {
      if (y + k < 0 || y + k >= height) continue;
      const float* in = view(*plane).row(y + k);
      const float w = kernel[static_cast<size_t>(std::abs(k))];
      for (int x = 0; x < width; ++x) out[x] += w * in[x];
    }
  });
  pool.parallel_for(height, [&](int64_t y, int) {  // along rows
    const float* in = view(columns).row(static_cast<int>(y));
    float* out = view(*plane).row(static_cast<int>(y));
    std::fill(out, out + width, 0.0f);
    for (int k = -reach; k <= reach; ++k) {
      const float w = kernel[static_cast<size_t>(std::abs(k))];
      const int first = std::max(0, -k), last = std::min(width, width - k);
      for (int x = first; x < last; ++x) out[x] += w * in[x + k];
    }
  });
}

void smooth_121(Pixels<const uint8_t> source, Pixels<uint8_t> destination, ThreadPool& pool) {
  const int width = source.width, height = source.height, channels = source.channels;
  const auto mirror = [](int i, int n) { return n == 1 ? 0 : i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; };
  pool.parallel_for(height, [&](int64_t y64, int) {
    const int y = static_cast<int>(y64);
    const uint8_t* above = source.row(mirror(y - 1, height));
    const uint8_t* here = source.row(y);
    const uint8_t* below = source.row(mirror(y + 1, height));
    const auto column = [&](int x, int c) {
      const int i = x * channels + c;
      return above[i] + 2 * here[i] + below[i];
    };
    uint8_t* out = destination.row(y);
    for (int x = 0; x < width; ++x) {
      const int left = mirror(x - 1, width), right = mirror(x + 1, width);
      for (int c = 0; c < channels; ++c) {
        const int sum = column(left, c) + 2 * column(x, c) + column(right, c);
        *out++ = to_byte(static_cast<float>(sum) * 0.0625f);
      }
    }
  });
}

}  // namespace gpen
