// How a warp multiplies its part of a tile: on tensor cores in half precision, bf16 or tf32, or in fp32 on the ordinary
// units. All read the same stage of shared memory: rows of 128 bytes, A's (pixels) and B's (output channels), in which
// the 16-byte piece c of row r lies at c ^ (r % 8), so that eight rows read at one piece fall into different banks.
//
// The input's prologue happens here, on registers: B's weights take the factor of each input channel, and where the
// channels are the feature's, A's values become lrelu(feature * gain + bias), zero outside of the picture.
#pragma once
#include "runtime/gpu/gpu.h"
#include "runtime/gpu/ptx.h"

namespace gpen::GPEN_GPU_NS {

constexpr int kRowBytes = 128, kPieces = 8;  // of 16 bytes
constexpr float kFeatureSlope = 0.2f;

__device__ __forceinline__ int piece_offset(int row, int piece) { return row * kRowBytes + ((piece ^ (row & 7)) << 4); }

// Where a step's operands lie: rows of both in 16-byte pieces of inner dimension, kStepPieces of them.
struct StageTiles {
  static constexpr int kStepPieces = kPieces;
  const unsigned char* a;
  const unsigned char* b;
  __device__ __forceinline__ const unsigned char* a_at(int row, int piece) const {
    return a + piece_offset(row, piece);
  }
  __device__ __forceinline__ const unsigned char* b_at(int row, int piece) const {
    return b + piece_offset(row, piece);
  }
};

// What the prologue needs of one step; coefficients are those of the step's first channel.
struct Prologue {
  const float* scale;  // null: none
  const float* bias;   // null: the channels are x's
  float gain;
  const unsigned char* inside;  // [row], nonzero where the pixel lies in the picture
};

__device__ __forceinline__ float feature_activation(float v, float gain, float bias) {
  const float u = fmaf(v, gain, bias);
  return fmaxf(u, kFeatureSlope * u);
}

// One value of the result from its sum.
struct ConvPoint {
  float factor, bias, slope, gain;
  __device__ __forceinline__ float operator()(float sum) const {
    const float v = fmaf(sum, factor, bias);
    return (v > 0 ? v : slope * v) * gain;
  }
};

// Pairs of 16-bit numbers. Half precision is computed in half precision, in the same instructions that would only move
// it otherwise; bf16 has too few bits for that and is computed in fp32.
template <class T>
__device__ __forceinline__ uint32_t scaled_pair(uint32_t pair, float2 scale) {
  const float2 v = gpu::unpack2<T>(pair);
  return gpu::pack2<T>(v.x * scale.x, v.y * scale.y);
}
template <class T>
__device__ __forceinline__ uint32_t activated_pair(uint32_t pair, float gain, float2 bias) {
  const float2 v = gpu::unpack2<T>(pair);
  return gpu::pack2<T>(feature_activation(v.x, gain, bias.x), feature_activation(v.y, gain, bias.y));
}
#ifdef __CUDACC__
__device__ __forceinline__ __half2 as_half2(uint32_t v) { return *reinterpret_cast<const __half2*>(&v); }
__device__ __forceinline__ uint32_t as_bits(__half2 v) { return *reinterpret_cast<const uint32_t*>(&v); }
template <>
__device__ __forceinline__ uint32_t scaled_pair<gpu::half_t>(uint32_t pair, float2 scale) {
  return as_bits(__hmul2(as_half2(pair), __floats2half2_rn(scale.x, scale.y)));
}
template <>
__device__ __forceinline__ uint32_t activated_pair<gpu::half_t>(uint32_t pair, float gain, float2 bias) {
  const __half2 u = __hfma2(as_half2(pair), __float2half2_rn(gain), __floats2half2_rn(bias.x, bias.y));
  const __half2 v = __hmax2_nan(u, __hmul2(u, __float2half2_rn(kFeatureSlope)));
  const __half2 most = __float2half2_rn(65504.f);
  return as_bits(__hmax2_nan(__hmin2_nan(v, most), __hneg2(most)));
}
#else
// The same steps with the same roundings.
__device__ __forceinline__ float2 half2_of(float2 v) {
  return gpu::unpack2<gpu::half_t>(gpu::pack2<gpu::half_t>(v.x, v.y));
}
template <>
inline uint32_t scaled_pair<gpu::half_t>(uint32_t pair, float2 scale) {
  const float2 v = gpu::unpack2<gpu::half_t>(pair), s = half2_of(scale);
  return gpu::pack2<gpu::half_t>(v.x * s.x, v.y * s.y);
}
template <>
inline uint32_t activated_pair<gpu::half_t>(uint32_t pair, float gain, float2 bias) {
  const float2 v = gpu::unpack2<gpu::half_t>(pair), g = half2_of(make_float2(gain, kFeatureSlope)), b = half2_of(bias);
  const float2 u = half2_of(make_float2(fmaf(v.x, g.x, b.x), fmaf(v.y, g.x, b.y)));
  const float2 low = half2_of(make_float2(u.x * g.y, u.y * g.y));
  return gpu::pack2<gpu::half_t>(u.x > low.x ? u.x : low.x, u.y > low.y ? u.y : low.y);
}
#endif

// Tensor cores: a warp holds (kRows/16) x (kColumns/8) tiles of 16x8 sums. Elements: of 16 bits, or float for tf32.
// kShortSums (half precision): 32 products at a time are summed in half precision, which GeForce cards do at twice the
// speed, and then added to the fp32 sums.
template <class T, int kRows, int kColumns, bool kShortSums = false>
class TensorCoreMath {
 public:
  using Element = T;
  static constexpr int kTilesM = kRows / 16, kTilesN = kColumns / 8;

  template <class Tiles>
  __device__ __forceinline__ void step(const Tiles& tiles, int first_row, int first_column, int lane,
                                       const Prologue& prologue) {
    bool inside[2 * kTilesM] = {};
    if (prologue.bias != nullptr) {
#pragma unroll
      for (int i = 0; i < 2 * kTilesM; ++i) inside[i] = prologue.inside[first_row + 8 * i + lane / 4] != 0;
    }
#pragma unroll
    for (int k = 0; k < Tiles::kStepPieces / 2; ++k) {
      uint32_t a[kTilesM][4], b[kTilesN][2];
#pragma unroll
      for (int i = 0; i < kTilesM; ++i)
        gpu::ldmatrix_x4(a[i], tiles.a_at(first_row + i * 16 + lane % 16, 2 * k + lane / 16));
#pragma unroll
      for (int j = 0; j < kTilesN; j += 2) {
        uint32_t r[4];
        gpu::ldmatrix_x4(r, tiles.b_at(first_column + j * 8 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
        b[j][0] = r[0], b[j][1] = r[1], b[j + 1][0] = r[2], b[j + 1][1] = r[3];
      }
      if (prologue.scale != nullptr) scale(b, prologue.scale, k, lane);
      if (prologue.bias != nullptr) activate(a, prologue, k, lane, inside);
      if constexpr (kTf32) {
#pragma unroll
        for (int i = 0; i < kTilesM; ++i)
#pragma unroll
          for (int r = 0; r < 4; ++r) a[i][r] = gpu::round_to_tf32(__uint_as_float(a[i][r]));
      }
      if constexpr (kShortSums) {
        multiply_short(a, b, k);
      } else {
#pragma unroll
        for (int i = 0; i < kTilesM; ++i)
#pragma unroll
          for (int j = 0; j < kTilesN; ++j) {
            if constexpr (kTf32)
              gpu::mma_m16n8k8_tf32(sum_[i][j], a[i], b[j]);
            else
              gpu::mma_m16n8k16<T>(sum_[i][j], a[i], b[j]);
          }
      }
    }
  }

  // To tile[row][column], rows of `pitch` floats.
  __device__ __forceinline__ void store(float* tile, int pitch, int first_row, int first_column, int lane) const {
#pragma unroll
    for (int i = 0; i < kTilesM; ++i)
#pragma unroll
      for (int j = 0; j < kTilesN; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r)
          tile[(first_row + i * 16 + r / 2 * 8 + lane / 4) * pitch + first_column + j * 8 + lane % 4 * 2 + r % 2] =
              sum_[i][j][r];
  }

 private:
  static constexpr bool kTf32 = sizeof(T) == 4;

  // Of a fragment, register 0 has the first half of the 32 bytes of inner dimension, register 1 the second.
  __device__ __forceinline__ static float2 pair_of(const float* coefficients, int k, int half, int lane) {
    const float* c = coefficients + k * 16 + half * 8 + lane % 4 * 2;
    return make_float2(c[0], c[1]);
  }
  __device__ __forceinline__ static float one_of(const float* coefficients, int k, int half, int lane) {
    return coefficients[k * 8 + half * 4 + lane % 4];
  }
  __device__ __forceinline__ static void scale(uint32_t (&b)[kTilesN][2], const float* coefficients, int k, int lane) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if constexpr (kTf32) {
        const float s = one_of(coefficients, k, half, lane);
#pragma unroll
        for (int j = 0; j < kTilesN; ++j) b[j][half] = gpu::round_to_tf32(__uint_as_float(b[j][half]) * s);
      } else {
        const float2 s = pair_of(coefficients, k, half, lane);
#pragma unroll
        for (int j = 0; j < kTilesN; ++j) b[j][half] = scaled_pair<T>(b[j][half], s);
      }
    }
  }
  __device__ __forceinline__ static void activate(uint32_t (&a)[kTilesM][4], const Prologue& p, int k, int lane,
                                                  const bool (&inside)[2 * kTilesM]) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int half = r / 2;
      if constexpr (kTf32) {
        const float bias = one_of(p.bias, k, half, lane);
#pragma unroll
        for (int i = 0; i < kTilesM; ++i)
          a[i][r] =
              inside[2 * i + r % 2] ? __float_as_uint(feature_activation(__uint_as_float(a[i][r]), p.gain, bias)) : 0u;
      } else {
        const float2 bias = pair_of(p.bias, k, half, lane);
#pragma unroll
        for (int i = 0; i < kTilesM; ++i)
          a[i][r] = inside[2 * i + r % 2] ? activated_pair<T>(a[i][r], p.gain, bias) : 0u;
      }
    }
  }

  // Two instructions of 16 products, then the promotion.
  __device__ __forceinline__ void multiply_short(const uint32_t (&a)[kTilesM][4], const uint32_t (&b)[kTilesN][2],
                                                 int k) {
#pragma unroll
    for (int i = 0; i < kTilesM; ++i)
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
        if (k % 2 == 0) short_sum_[i][j][0] = short_sum_[i][j][1] = 0;
        gpu::mma_m16n8k16_f16_accumulate(short_sum_[i][j], a[i], b[j]);
        if (k % 2 == 0) continue;
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const float2 v = gpu::unpack2<T>(short_sum_[i][j][r]);
          sum_[i][j][2 * r] += v.x;
          sum_[i][j][2 * r + 1] += v.y;
        }
      }
  }

  float sum_[kTilesM][kTilesN][4] = {};
  uint32_t short_sum_[kShortSums ? kTilesM : 1][kShortSums ? kTilesN : 1][2];
};

// fp32 multiply-adds: a lane holds rows lane/4 + 8 i and columns lane%4 + 4 j of the warp's part.
template <int kRows, int kColumns>
class Fp32Math {
 public:
  using Element = float;
  static constexpr int kM = kRows / 8, kN = kColumns / 4;

  template <class Tiles>
  __device__ __forceinline__ void step(const Tiles& tiles, int first_row, int first_column, int lane,
                                       const Prologue& prologue) {
#pragma unroll 2
    for (int k = 0; k < Tiles::kStepPieces; ++k) {
      float4 a[kM];
#pragma unroll
      for (int i = 0; i < kM; ++i) a[i] = *reinterpret_cast<const float4*>(tiles.a_at(first_row + lane / 4 + 8 * i, k));
      if (prologue.bias != nullptr) {
        const float4 bias = *reinterpret_cast<const float4*>(prologue.bias + 4 * k);
#pragma unroll
        for (int i = 0; i < kM; ++i) {
          const bool inside = prologue.inside[first_row + lane / 4 + 8 * i] != 0;
          a[i].x = inside ? feature_activation(a[i].x, prologue.gain, bias.x) : 0.f;
          a[i].y = inside ? feature_activation(a[i].y, prologue.gain, bias.y) : 0.f;
          a[i].z = inside ? feature_activation(a[i].z, prologue.gain, bias.z) : 0.f;
          a[i].w = inside ? feature_activation(a[i].w, prologue.gain, bias.w) : 0.f;
        }
      }
      float4 s = make_float4(1, 1, 1, 1);
      if (prologue.scale != nullptr) s = *reinterpret_cast<const float4*>(prologue.scale + 4 * k);
#pragma unroll
      for (int j = 0; j < kN; ++j) {
        float4 b = *reinterpret_cast<const float4*>(tiles.b_at(first_column + lane % 4 + 4 * j, k));
        b = make_float4(b.x * s.x, b.y * s.y, b.z * s.z, b.w * s.w);
#pragma unroll
        for (int i = 0; i < kM; ++i)
          sum_[i][j] = fmaf(a[i].w, b.w, fmaf(a[i].z, b.z, fmaf(a[i].y, b.y, fmaf(a[i].x, b.x, sum_[i][j]))));
      }
    }
  }
  __device__ __forceinline__ void store(float* tile, int pitch, int first_row, int first_column, int lane) const {
#pragma unroll
    for (int i = 0; i < kM; ++i)
#pragma unroll
      for (int j = 0; j < kN; ++j)
        tile[(first_row + lane / 4 + 8 * i) * pitch + first_column + lane % 4 + 4 * j] = sum_[i][j];
  }

 private:
  float sum_[kM][kN] = {};
};

}  // namespace gpen::GPEN_GPU_NS
