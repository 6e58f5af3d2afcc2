#include "kernels/to_rgb.h"

#include <algorithm>
#include <cmath>

#include "kernels/gpu_kernels.h"
#include "kernels/isa.h"

namespace gpen {

namespace {

// One row of bias + up2(skip): the vertical blend first, then the two horizontal phases.
void start_row(const ToRgbWeights& w, const TensorView& skip, int64_t n, int c, int64_t y, float* row, int64_t width) {
  if (skip.data == nullptr) {
    std::fill_n(row, width, w.bias[c]);
    return;
  }
  const float* plane = skip.image(n) + c * skip.plane();
  const int64_t near = y / 2, far = y % 2 == 0 ? near - 1 : near + 1;
  const float* a = plane + near * skip.w;
  const float* b = far >= 0 && far < skip.h ? plane + far * skip.w : nullptr;
  auto at = [&](int64_t i) {
    if (i < 0 || i >= skip.w) return 0.f;
    return 0.75f * a[i] + (b != nullptr ? 0.25f * b[i] : 0.f);
  };
  float before = 0, here = at(0);
  for (int64_t i = 0; i < skip.w; ++i) {
    const float after = at(i + 1);
    row[2 * i] = w.bias[c] + (0.25f * before + 0.75f * here);
    row[2 * i + 1] = w.bias[c] + (0.75f * here + 0.25f * after);
    before = here;
    here = after;
  }
}

}  // namespace

Result<ToRgbWeights> ToRgbWeights::pack(int64_t x_channels, int64_t feature_channels, const float* weight,
                                        const float* bias, const Placement& at) {
  ToRgbWeights w;
  w.x_channels = x_channels;
  w.feature_channels = feature_channels;
  const int64_t x_blocks = ceil_div(x_channels, kBlock), blocks = x_blocks + ceil_div(feature_channels, kBlock);
  const int64_t channels = x_channels + feature_channels;
  const double scale = 1 / std::sqrt(static_cast<double>(channels));
  std::vector<float> packed(static_cast<size_t>(blocks * 3 * kBlock), 0.f);
  for (int64_t i = 0; i < channels; ++i) {
    const int64_t place = i < x_channels ? i : x_blocks * kBlock + i - x_channels;
    for (int64_t c = 0; c < 3; ++c)
      packed[static_cast<size_t>((place / kBlock * 3 + c) * kBlock + place % kBlock)] =
          static_cast<float>(weight[c * channels + i] * scale);
  }
  std::copy_n(bias, 3, w.bias);
  GPEN_ASSIGN(w.weight, ParameterVector::make(at, std::move(packed)));
  return w;
}

void to_rgb(Exec& exec, const ToRgbWeights& w, const ConvInput& in, const TensorView& skip, TensorView rgb) {
  const int64_t x_blocks = ceil_div(w.x_channels, kBlock), blocks = x_blocks + ceil_div(w.feature_channels, kBlock);
  if (exec.device != nullptr) return exec.device->kernels().to_rgb(exec, w, in, skip, rgb);
  const int64_t weight_floats = blocks * 3 * kBlock, pointer_floats = ceil_div(blocks * 2, kBlock) * kBlock;
  Workspace::Handle modulated_handle, pointer_handle;
  float* modulated = exec.ws.take(static_cast<size_t>(rgb.n * weight_floats), &modulated_handle);
  float* pointers = exec.ws.take(static_cast<size_t>(pointer_floats * exec.pool.size()), &pointer_handle);
  if (!exec.dry()) {
    // The modulation goes into these few weights; the feature half's sqrt2 with it.
    for (int64_t n = 0; n < rgb.n; ++n)
      for (int64_t b = 0; b < blocks; ++b)
        for (int64_t i = 0; i < 3 * kBlock; ++i) {
          const float s = in.in_scale[(n * blocks + b) * kBlock + i % kBlock];
          modulated[n * weight_floats + b * 3 * kBlock + i] =
              w.weight.data()[b * 3 * kBlock + i] * s * (b >= x_blocks ? 1.41421356237309515f : 1.f);
        }
    exec.pool.parallel_for(rgb.n * rgb.h, [&](int64_t item, int thread) {
      const int64_t n = item / rgb.h, y = item % rgb.h;
      auto x = reinterpret_cast<const float**>(pointers + thread * pointer_floats);
      const bool stem = in.stem.weight != nullptr;
      for (int64_t b = 0; b < (stem ? x_blocks : blocks); ++b)
        x[b] = (b < x_blocks ? in.x.block(n, b) : in.feature.block(n, b - x_blocks)) + y * rgb.w * kBlock;
      const RgbRun run{x,
                       x_blocks,
                       blocks,
                       modulated + n * weight_floats,
                       in.feature_bias,
                       in.feature_gain,
                       stem ? in.stem.pixels + (n * rgb.h + y) * rgb.w * 4 : nullptr,
                       in.stem.weight};
      float* row = rgb.image(n) + y * rgb.w;
      for (int c = 0; c < 3; ++c) start_row(w, skip, n, c, y, row + c * rgb.plane(), rgb.w);
      isa_kernels().to_rgb(run, rgb.w, row, rgb.plane());
    });
  }
  exec.ws.give_back(pointer_handle);
  exec.ws.give_back(modulated_handle);
}

void to_rgb_of(Exec& exec, const RgbOutput& output, const TensorView& y) {
  ConvInput in = output.in;
  in.x = y;
  to_rgb(exec, *output.weights, in, output.skip, output.rgb);
}

}  // namespace gpen
