// Part of isa_body.h: linear layers and to_rgb.

// ---- small dense work -----------------------------------------------------------------------------------------------
// 16 outputs of Count vectors at a time: the weights come from memory once for all of them.
template <int Count>
void linear_block(const float* w, int64_t inputs, const float* x, int64_t x_stride, float* y, int64_t y_stride) {
  V acc[Count][kParts];
  for (int n = 0; n < Count; ++n)
    for (int v = 0; v < kParts; ++v) acc[n][v] = splat(0.f);
  // Four partial sums hide the latency of the addition; they are joined in a fixed order.
  V part[4][Count][kParts];
  for (auto& p : part)
    for (int n = 0; n < Count; ++n)
      for (int v = 0; v < kParts; ++v) p[n][v] = splat(0.f);
  int64_t k = 0;
  for (; k + 4 <= inputs; k += 4)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u)
      for (int n = 0; n < Count; ++n) {
        const V value = broadcast(x + n * x_stride + k + u);
        for (int v = 0; v < kParts; ++v) part[u][n][v] = fma(value, load(w + (k + u) * 16 + v * kLanes), part[u][n][v]);
      }
  for (; k < inputs; ++k)
    for (int n = 0; n < Count; ++n)
      for (int v = 0; v < kParts; ++v)
        acc[n][v] = fma(broadcast(x + n * x_stride + k), load(w + k * 16 + v * kLanes), acc[n][v]);
  for (int n = 0; n < Count; ++n)
    for (int v = 0; v < kParts; ++v)
      store(y + n * y_stride + v * kLanes,
            ((part[0][n][v] + part[1][n][v]) + (part[2][n][v] + part[3][n][v])) + acc[n][v]);
}

void linear(const float* w, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride, int64_t count, float* y,
            int64_t y_stride) {
  for (int64_t o = 0; o < outputs; o += 16) {
    const float* panel = w + o * inputs;
    int64_t n = 0;
    for (; n + 2 <= count; n += 2)
      linear_block<2>(panel, inputs, x + n * x_stride, x_stride, y + n * y_stride + o, y_stride);
    if (n < count) linear_block<1>(panel, inputs, x + n * x_stride, x_stride, y + n * y_stride + o, y_stride);
  }
}

inline float horizontal_sum(const V (&parts)[kParts]) {
  V s = parts[0];
  for (int v = 1; v < kParts; ++v) s = s + parts[v];
  return sum_lanes(s);
}

void to_rgb(const RgbRun& run, int64_t pixels, float* rgb, int64_t rgb_plane) {
  const V gain = splat(run.feature_gain);
  for (int64_t i = 0; i < pixels; ++i) {
    V sum[3][kParts];
    for (int c = 0; c < 3; ++c)
      for (int v = 0; v < kParts; ++v) sum[c][v] = splat(0.f);
    for (int64_t b = 0; b < run.blocks; ++b)
      for (int v = 0; v < kParts; ++v) {
        const int64_t f = b - run.x_blocks;
        V value;
        if (f < 0 || run.stem_weight == nullptr)
          value = load(run.x[b] + i * 16 + v * kLanes);
        else
          value = stem_value(run.stem_weight + f * 64 + v * kLanes, run.stem_pixels + i * 4);
        if (f >= 0) value = leaky(fma(value, gain, load(run.feature_bias + f * 16 + v * kLanes)), 0.2f);
        for (int c = 0; c < 3; ++c) sum[c][v] = fma(value, load(run.weight + (b * 3 + c) * 16 + v * kLanes), sum[c][v]);
      }
    for (int c = 0; c < 3; ++c) rgb[c * rgb_plane + i] += horizontal_sum(sum[c]);
  }
}
