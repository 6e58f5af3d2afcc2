// How the memory-bound kernels of a device see activations: vectors of 16 bytes, and rows of them.
#pragma once
#include "kernels/gpu_functions.h"

namespace gpen::GPEN_GPU_NS {

// Calls fn with a zero of the type's C++ type.
template <class Fn>
void with_type(ElementType type, Fn fn) {
  if (type == ElementType::f32) fn(float{});
  if (type == ElementType::f16) fn(gpu::half_t{});
  if (type == ElementType::bf16) fn(gpu::bf16_t{});
}

template <class T>
inline constexpr int kVectorWidth = static_cast<int>(16 / sizeof(T));  // elements

template <class T>
__device__ __forceinline__ void load_vector(float (&to)[kVectorWidth<T>], const T* from) {
  if constexpr (sizeof(T) == 4) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
    const uint4 v = *reinterpret_cast<const uint4*>(from);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 pair = gpu::unpack2<T>(words[i]);
      to[2 * i] = pair.x, to[2 * i + 1] = pair.y;
    }
  }
}

template <class T>
__device__ __forceinline__ void store_vector(T* to, const float (&from)[kVectorWidth<T>]) {
  if constexpr (sizeof(T) == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
  } else {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = gpu::pack2<T>(from[2 * i], from[2 * i + 1]);
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
  }
}

// Of all lanes, in all lanes.
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

// `count` floats (a multiple of 4, known at compile time) from memory aligned to 16 bytes.
template <int count>
__device__ __forceinline__ void load_floats(float (&to)[count], const float* from) {
#pragma unroll
  for (int i = 0; i < count; i += 4) {
    const float4 v = *reinterpret_cast<const float4*>(from + i);
    to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
  }
}

// A product and a sum that nvcc does not contract into one rounding: for results that equal the processor's.
__device__ __forceinline__ float rounded_product(float a, float b) {
#ifdef GPEN_GPU_EMULATED
  return a * b;
#else
  return __fmul_rn(a, b);
#endif
}
__device__ __forceinline__ float rounded_sum(float a, float b) {
#ifdef GPEN_GPU_EMULATED
  return a + b;
#else
  return __fadd_rn(a, b);
#endif
}

__device__ __forceinline__ float leaky_relu(float v, float slope) { return v > 0 ? v : slope * v; }

// An nhwc activation or a channel slice of one.
template <class T>
struct Activation {
  T* data;
  int64_t batch_stride, pixel_stride;
  int h, w;
  int vectors;  // of a pixel, with those of zero channels

  __device__ __forceinline__ T* at(int n, int y, int x, int vector) const {
    return data + n * batch_stride + (static_cast<int64_t>(y) * w + x) * pixel_stride + vector * kVectorWidth<T>;
  }
};

template <class T>
Activation<T> activation_of(const TensorView& v) {
  return {reinterpret_cast<T*>(v.data), v.batch_stride,        v.pixel_stride,
          static_cast<int>(v.h),        static_cast<int>(v.w), static_cast<int>(v.blocks() * kBlock / kVectorWidth<T>)};
}

// One thread per vector: a block's threads stand side by side in one row of one image, so that all divisions of the
// index arithmetic have 32 bits.
constexpr int kRowThreads = 128;

template <class T>
dim3 row_blocks(const Activation<T>& t, int64_t images) {
  const int64_t items = static_cast<int64_t>(t.w) * t.vectors;
  return dim3(static_cast<unsigned>(images * t.h * ceil_div(items, kRowThreads)));
}

struct RowPlace {
  int n, y, x, vector;
  bool inside;  // of the row
};

template <class T>
__device__ __forceinline__ RowPlace row_place(const Activation<T>& t) {
  const unsigned items = static_cast<unsigned>(t.w) * static_cast<unsigned>(t.vectors);
  const unsigned per_row = (items + kRowThreads - 1) / kRowThreads;
  const unsigned row = blockIdx.x / per_row, item = (blockIdx.x - row * per_row) * kRowThreads + threadIdx.x;
  const unsigned vectors = static_cast<unsigned>(t.vectors), h = static_cast<unsigned>(t.h);
  return {static_cast<int>(row / h), static_cast<int>(row % h), static_cast<int>(item / vectors),
          static_cast<int>(item % vectors), item < items};
}

inline Status expect_same_type(const char* kernel, const TensorView& x, const TensorView& y) {
  if (x.type == y.type) return Status();
  return fail(Code::internal, kernel, ": input and output are of different element types");
}

}  // namespace gpen::GPEN_GPU_NS
