// The part of gpu.h for nvcc.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "runtime/gpu/gpu.h"

// Notes a failed call of the CUDA runtime in `device`.
#define GPEN_GPU_CHECK(device, expression)                                                              \
  do {                                                                                                  \
    const cudaError_t gpen_cuda_error_ = (expression);                                                  \
    if (gpen_cuda_error_ != cudaSuccess)                                                                \
      (device).note_error(::gpen::gpu::cuda_status(gpen_cuda_error_, #expression, __FILE__, __LINE__)); \
  } while (0)

namespace gpen::gpu {
inline namespace GPEN_GPU_BUILD {

using half_t = __half;
using bf16_t = __nv_bfloat16;

__device__ __forceinline__ float to_float(half_t x) { return __half2float(x); }
__device__ __forceinline__ float to_float(bf16_t x) { return __bfloat162float(x); }
__device__ __forceinline__ float to_float(float x) { return x; }

template <class T>
__device__ __forceinline__ T from_float(float x) {
  if constexpr (std::is_same_v<T, half_t>) {
    // Clamped after the rounding: only what has become infinite changes.
    const __half most = __ushort_as_half(0x7bff), least = __ushort_as_half(0xfbff);
    return __hmax_nan(__hmin_nan(__float2half_rn(x), most), least);
  } else if constexpr (std::is_same_v<T, bf16_t>) {
    return __float2bfloat16_rn(x);
  } else {
    static_assert(std::is_same_v<T, float>);
    return x;
  }
}

template <class T>
__device__ __forceinline__ float2 unpack2(uint32_t bits) {
  if constexpr (std::is_same_v<T, half_t>) {
    return __half22float2(*reinterpret_cast<const __half2*>(&bits));
  } else {
    static_assert(std::is_same_v<T, bf16_t>);
    return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
  }
}

template <class T>
__device__ __forceinline__ uint32_t pack2(float low, float high) {
  if constexpr (std::is_same_v<T, half_t>) {
    const __half2 most = __half2half2(__ushort_as_half(0x7bff)), least = __half2half2(__ushort_as_half(0xfbff));
    const __half2 pair = __hmax2_nan(__hmin2_nan(__floats2half2_rn(low, high), most), least);
    return *reinterpret_cast<const uint32_t*>(&pair);
  } else {
    static_assert(std::is_same_v<T, bf16_t>);
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
}

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
}

template <class T, size_t count>
struct shared_array {
  T elements[count];
  __device__ __forceinline__ T& operator[](size_t index) { return elements[index]; }
  __device__ __forceinline__ T* data() { return elements; }
};

inline Status cuda_status(cudaError_t error, const char* expression, const char* file, int line) {
  const Code code = error == cudaErrorMemoryAllocation ? Code::memory : Code::device;
  return fail(code, expression, ": ", cudaGetErrorString(error), " (", file, ":", line, ")");
}

template <class... P, class... A>
void launch_with(bool together, Device& device, KernelName name, void (*kernel)(P...), dim3 grid, dim3 block,
                 size_t shared_bytes, A&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const auto succeeds = [&](cudaError_t error, const char* expression) {
    if (error == cudaSuccess) return true;
    device.note_error(cuda_status(error, expression, name.file, name.line).in(name.name));
    static_cast<void>(cudaGetLastError());  // Noted: the next launch must not find it again.
    return false;
  };
  auto* const stream = static_cast<cudaStream_t>(device.native_stream());  // and this thread is on the device now
  constexpr size_t kWithoutAsking = 48 * 1024;
  if (shared_bytes > kWithoutAsking) {
    // The limit is the function's, for all its launches, recorded ones too: it is only ever raised.
    const auto* const function = reinterpret_cast<const void*>(kernel);
    cudaFuncAttributes attributes{};
    if (!succeeds(cudaFuncGetAttributes(&attributes, function), "cudaFuncGetAttributes")) return;
    if (attributes.maxDynamicSharedSizeBytes < static_cast<int>(shared_bytes) &&
        !succeeds(
            cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
            "cudaFuncSetAttribute(cudaFuncAttributeMaxDynamicSharedMemorySize)"))
      return;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  cudaLaunchAttribute cooperative{};
  cooperative.id = cudaLaunchAttributeCooperative;
  cooperative.val.cooperative = 1;
  config.attrs = &cooperative;
  config.numAttrs = together ? 1 : 0;
  succeeds(cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(arguments))...), "cudaLaunchKernelEx");
}

}  // namespace GPEN_GPU_BUILD
}  // namespace gpen::gpu
