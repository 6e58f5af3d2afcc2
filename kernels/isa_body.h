// The vector kernels, written once. Included by one source file per instruction set, inside an anonymous namespace and
// after it has defined: V (a vector of kLanes floats), load, store, splat, broadcast, fma(a,b,c) = a*b+c,
// leaky(v, slope), keep, sum_lanes, store_bf16, kName, kMaxRows, kWide (16-channel blocks per full panel),
// kChunkEntries; with GPEN_BF16_DOT also dot(acc, a, b). No standard library templates here: a function that the linker
// may share with other files must not be compiled for an instruction set the machine may lack.

constexpr int kParts = 16 / kLanes;  // vectors per pixel
constexpr float kSqrt2 = 1.41421356237309515f;

// ---- bf16 ---------------------------------------------------------------------------------------------------------
// Weights come as words of two: channel k in the low half, k+1 in the high half. A pixel's 16 channels are rounded to
// bf16: as words in the first 32 of its 64 bytes where there is a dot-product instruction (GPEN_BF16_DOT), as floats
// elsewhere.
typedef unsigned Words __attribute__((vector_size(sizeof(V))));
inline V low_half(V words) { return (V)((Words)words << 16); }
inline V high_half(V words) { return (V)((Words)words & 0xffff0000u); }

// To the nearest bf16, ties to even; NaN stays NaN.
inline V round_to_bf16(V x) {
  const Words bits = (Words)x;
  const Words rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const Words number = (Words)(x == x);  // all ones, or zero for NaN
  return (V)(((rounded & number) | ((bits | 0x400000) & ~number)) & 0xffff0000u);
}

// Where the transforms and pack() leave what the micro-kernel reads.
struct Full {
  static void put(float* d, V x) { store(d, x); }
};
struct Bf16 {
  static void put(float* d, V x) { store_bf16(d, x); }
};

// ---- micro-kernel -------------------------------------------------------------------------------------------------
// R x (Blocks*kParts) accumulators stay in registers; every step loads one line of weights and broadcasts one channel
// of each of the R pixels.
template <int R, int Vectors, int Step, class Line>
inline void add_channel(V (&acc)[R][Vectors], const float* p, Line&& line) {
  V w[Vectors];
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) w[v] = line(v);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const V x = broadcast(p + r * Step * 16);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) acc[r][v] = fma(x, w[v], acc[r][v]);
  }
}

template <int R, int Vectors, int Step>
inline void add_entry(V (&acc)[R][Vectors], const float* p, int channels, const float* b) {
  for (int k = 0; k < channels; ++k, b += Vectors * kLanes)
    add_channel<R, Vectors, Step>(acc, p + k, [&](int v) { return load(b + v * kLanes); });
}

// 16 channels, two of them in a word.
template <int R, int Vectors, int Step>
inline void add_bf16_entry(V (&acc)[R][Vectors], const float* p, const float* b) {
  for (int k = 0; k < 8; ++k, b += Vectors * kLanes) {
#if defined(GPEN_BF16_DOT)
    V w[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) w[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V x = broadcast(p + r * Step * 16 + k);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) acc[r][v] = dot(acc[r][v], x, w[v]);
    }
#else
    add_channel<R, Vectors, Step>(acc, p + 2 * k, [&](int v) { return low_half(load(b + v * kLanes)); });
    add_channel<R, Vectors, Step>(acc, p + 2 * k + 1, [&](int v) { return high_half(load(b + v * kLanes)); });
#endif
  }
}

template <int R, int Blocks, int Step, bool kBf16>
void gemm_tile(const float* const* a, int64_t entries, int channels, const float* b, float* c, int64_t c_stride,
               bool accumulate) {
  constexpr int kVectors = Blocks * kParts;
  V acc[R][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      acc[r][v] = accumulate ? load(c + (v / kParts) * c_stride + r * 16 + (v % kParts) * kLanes) : splat(0.f);
  for (int64_t e = 0; e < entries; ++e) {
    if constexpr (kBf16) {
      add_bf16_entry<R, kVectors, Step>(acc, a[e], b);
      b += 8 * Blocks * 16;
    } else {
      add_entry<R, kVectors, Step>(acc, a[e], channels, b);
      b += channels * Blocks * 16;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store(c + (v / kParts) * c_stride + r * 16 + (v % kParts) * kLanes, acc[r][v]);
}

using GemmTile = void (*)(const float* const*, int64_t, int, const float*, float*, int64_t, bool);
template <int R, bool kBf16>
struct GemmRow {
  static GemmTile pick(int rows, int step, bool wide) {
    if (rows != R) return GemmRow<R - 1, kBf16>::pick(rows, step, wide);
    if (wide) return step == 1 ? gemm_tile<R, kWide, 1, kBf16> : gemm_tile<R, kWide, 2, kBf16>;
    return step == 1 ? gemm_tile<R, 1, 1, kBf16> : gemm_tile<R, 1, 2, kBf16>;
  }
};
template <bool kBf16>
struct GemmRow<0, kBf16> {
  static GemmTile pick(int, int, bool) { return nullptr; }
};

void gemm(int rows, int step, bool wide, const float* const* a, int64_t entries, int channels, const float* b, float* c,
          int64_t c_stride, bool accumulate) {
  GemmRow<kMaxRows, false>::pick(rows, step, wide)(a, entries, channels, b, c, c_stride, accumulate);
}

void gemm_bf16(int rows, int step, bool wide, const float* const* a, int64_t entries, int, const float* b, float* c,
               int64_t c_stride, bool accumulate) {
  GemmRow<kMaxRows, true>::pick(rows, step, wide)(a, entries, 16, b, c, c_stride, accumulate);
}

// ---- packing with the prologue ------------------------------------------------------------------------------------
enum class Prologue { copy, scale, feature };

// A pixel of a stored block, and of one that is a 1x1 convolution of an RGB picture (RgbStem in conv2d.h).
struct Stored {
  explicit Stored(const PackBlock&) {}
  static constexpr int kPixelFloats = 16;
  V operator()(const float* pixel, int part) const { return load(pixel + part * kLanes); }
};

// weight: [4][16] from the first channel of the vector.
inline V stem_value(const float* weight, const float* pixel) {
  V x = load(weight + 48);
  for (int c = 0; c < 3; ++c) x = fma(broadcast(pixel + c), load(weight + c * 16), x);
  return leaky(x, 0.2f);
}

struct Stem {
  explicit Stem(const PackBlock& job) : weight(job.stem_weight) {}
  static constexpr int kPixelFloats = 4;
  const float* weight;
  V operator()(const float* pixel, int part) const { return stem_value(weight + part * kLanes, pixel); }
};

// A pixel after the prologue.
template <class Source, Prologue P>
struct Prologued {
  Source source;
  V scale[kParts], bias[kParts], gain;
  explicit Prologued(const PackBlock& job) : source(job), gain(splat(job.feature_gain)) {
    for (int v = 0; v < kParts; ++v) {
      scale[v] = job.scale != nullptr ? load(job.scale + v * kLanes) : splat(1.f);
      bias[v] = P == Prologue::feature ? load(job.bias + v * kLanes) : splat(0.f);
      if (P == Prologue::feature) scale[v] = scale[v] * splat(kSqrt2);
    }
  }
  V operator()(const float* pixel, int part) const {
    V x = source(pixel, part);
    if (P == Prologue::feature) x = leaky(fma(x, gain, bias[part]), 0.2f);
    if (P != Prologue::copy) x = x * scale[part];
    return x;
  }
};

template <Prologue P, class Source, class Out>
void pack_run(const float* src, int64_t pixels, int shift, int64_t x0, float* dst, const PackBlock& job) {
  const Prologued<Source, P> value(job);
  for (int64_t i = 0; i < pixels; ++i) {
    const float* s = src + ((x0 + i) >> shift) * Source::kPixelFloats;
    for (int v = 0; v < kParts; ++v) Out::put(dst + i * 16 + v * kLanes, value(s, v));
  }
}

template <class Source, class Out>
void pack_run_of(const float* src, int64_t pixels, int shift, int64_t x0, float* dst, const PackBlock& job) {
  if (job.bias != nullptr) return pack_run<Prologue::feature, Source, Out>(src, pixels, shift, x0, dst, job);
  if (job.scale != nullptr) return pack_run<Prologue::scale, Source, Out>(src, pixels, shift, x0, dst, job);
  pack_run<Prologue::copy, Source, Out>(src, pixels, shift, x0, dst, job);
}

void pack_run_any(const float* src, int64_t pixels, int shift, int64_t x0, float* dst, const PackBlock& job) {
  const bool stem = job.stem_weight != nullptr;
  if (stem && job.bf16) return pack_run_of<Stem, Bf16>(src, pixels, shift, x0, dst, job);
  if (stem) return pack_run_of<Stem, Full>(src, pixels, shift, x0, dst, job);
  if (job.bf16) return pack_run_of<Stored, Bf16>(src, pixels, shift, x0, dst, job);
  pack_run_of<Stored, Full>(src, pixels, shift, x0, dst, job);
}

void zero_pixels(float* dst, int64_t pixels) {
  for (int64_t i = 0; i < pixels * kParts; ++i) store(dst + i * kLanes, splat(0.f));
}

// -1 -> 1, n -> n-2, and so on for pictures smaller than the padding.
int64_t reflected(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i = i < 0 ? -i : i;
  i %= period;
  return i < n ? i : period - i;
}

void pack(const PackBlock& job) {
  const int64_t height = job.h << job.shift, width = job.w << job.shift;  // of the enlarged picture
  const int64_t left = job.x0 < 0 ? (-job.x0 < job.cols ? -job.x0 : job.cols) : 0;
  const int64_t end = job.x0 + job.cols;
  const int64_t right = end > width ? (end - width < job.cols ? end - width : job.cols) : 0;
  const int64_t inside = job.cols - left - right > 0 ? job.cols - left - right : 0;
  for (int64_t r = 0; r < job.rows; ++r) {
    float* dst = job.dst + r * job.cols * 16;
    int64_t y = job.y0 + r;
    if (job.reflect) {
      y = reflected(y, height);
    } else if (y < 0 || y >= height) {
      zero_pixels(dst, job.cols);
      continue;
    }
    const float* row = job.src + (y >> job.shift) * job.w * (job.stem_weight != nullptr ? 4 : 16);
    if (inside > 0) pack_run_any(row, inside, job.shift, job.x0 + left, dst + left * 16, job);
    for (int64_t i = 0; i < job.cols; ++i) {
      if (i == left && inside > 0) i += inside;  // only the columns outside the picture
      if (i >= job.cols) break;
      if (job.reflect)
        pack_run_any(row, 1, job.shift, reflected(job.x0 + i, width), dst + i * 16, job);
      else
        zero_pixels(dst + i * 16, 1);
    }
  }
}

// ---- blurs ----------------------------------------------------------------------------------------------------------
// a*[1,0,0,1] + b*[0,1,1,0] with the taps [a,b,b,a] of one direction.
inline V four_tap(V p0, V p1, V p2, V p3, float outer, float inner) {
  return fma(p1 + p2, splat(inner), (p0 + p3) * splat(outer));
}

void blur(const float* src, int64_t rows, int64_t cols, float* tmp, float* dst) {
  const int64_t stride = cols * 16;
  for (int64_t r = 0; r + 3 < rows; ++r) {
    const float* s = src + r * stride;
    for (int64_t i = 0; i < cols * 16; i += kLanes)
      store(tmp + i, four_tap(load(s + i), load(s + stride + i), load(s + 2 * stride + i), load(s + 3 * stride + i),
                              0.125f, 0.375f));
    float* d = dst + r * (cols - 3) * 16;
    for (int64_t i = 0; i < (cols - 3) * 16; i += kLanes)
      store(d + i, four_tap(load(tmp + i), load(tmp + i + 16), load(tmp + i + 32), load(tmp + i + 48), 0.125f, 0.375f));
  }
}

// ---- epilogue -------------------------------------------------------------------------------------------------------
struct EpilogueRegisters {
  V scale[kParts], bias[kParts];
  float slope, residual_slope;
  V gain, gain2;
  explicit EpilogueRegisters(const Epilogue& e)
      : slope(e.slope), residual_slope(e.residual_slope), gain(splat(e.gain)), gain2(splat(e.gain2)) {
    for (int v = 0; v < kParts; ++v) {
      scale[v] = e.out_scale != nullptr ? load(e.out_scale + v * kLanes) : splat(1.f);
      bias[v] = e.bias != nullptr ? load(e.bias + v * kLanes) : splat(0.f);
    }
  }
  V operator()(V acc, int part) const { return leaky(fma(acc, scale[part], bias[part]), slope) * gain; }
  void put(V acc, int part, const OutputRows& to, int64_t at) const {
    V x = (*this)(acc, part);
    if (to.residual != nullptr) x = leaky(x + load(to.residual + at), residual_slope);
    if (to.residual2 != nullptr) x = fma(x, gain2, load(to.residual2 + at));
    store(to.y + at, x);
  }
};

void store_run(const Epilogue& e, const float* acc, int64_t pixels, const OutputRows& to) {
  const EpilogueRegisters finish(e);
  for (int64_t i = 0; i < pixels; ++i)
    for (int v = 0; v < kParts; ++v) {
      const int64_t at = i * 16 + v * kLanes;
      finish.put(load(acc + at), v, to, at);
    }
}

void upsample_blur_row(const Epilogue& e, const float* const rows[4], int64_t pixels, float* tmp, float* y) {
  const EpilogueRegisters finish(e);
  // tmp[j] is the vertical blur at column j-1; columns -1 and pixels+1 lie outside and are zero.
  zero_pixels(tmp, 1);
  zero_pixels(tmp + (pixels + 2) * 16, 1);
  float* t = tmp + 16;
  for (int64_t i = 0; i < (pixels + 1) * 16; i += kLanes) {
    V p[4];
    for (int k = 0; k < 4; ++k) p[k] = rows[k] != nullptr ? load(rows[k] + i) : splat(0.f);
    store(t + i, four_tap(p[0], p[1], p[2], p[3], 0.25f, 0.75f));
  }
  for (int64_t i = 0; i < pixels; ++i)
    for (int v = 0; v < kParts; ++v) {
      const float* s = tmp + i * 16 + v * kLanes;
      store(y + i * 16 + v * kLanes,
            finish(four_tap(load(s), load(s + 16), load(s + 32), load(s + 48), 0.25f, 0.75f), v));
    }
}

#include "kernels/isa_body_winograd.h"

#include "kernels/isa_body_dense.h"

double fma_peak(int64_t iterations) {
  constexpr int kChains = 12;
  V acc[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) acc[c] = splat(static_cast<float>(c));
  V x = splat(0.5f), y = splat(0.25f);
  keep(x);
  keep(y);
  for (int64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = fma(x, acc[c], y);
  V sum = acc[0];
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) sum = sum + acc[c];
  keep(sum);
  return 2.0 * kLanes * kChains * static_cast<double>(iterations);
}

constexpr IsaKernels kTable = {kName,
                               kWide * 16,
                               kMaxRows,
                               kChunkEntries,
                               gemm,
                               gemm_bf16,
                               pack,
                               blur,
                               store_run,
                               upsample_blur_row,
                               winograd_input,
                               winograd_output,
                               nested_up_input,
                               nested_down_input,
                               nested_up_output,
                               nested_down_output,
                               linear,
                               to_rgb,
                               fma_peak};
