// Kernels that try out the emulation: most of them are wrong on purpose.
#pragma once
#include <cstring>
#include <stdexcept>

#include "runtime/gpu/gpu.h"
#include "runtime/gpu/ptx.h"

namespace gpen::GPEN_GPU_NS::test_kernels {

constexpr unsigned kAll = 0xffffffff;

__global__ inline void block_sum(const float* input, float* total, int count) {
  __shared__ gpu::shared_array<float, 32> sums;
  float x = 0;
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < count;
       i += static_cast<int>(gridDim.x * blockDim.x))
    x += input[i];
  for (int bits = 16; bits > 0; bits /= 2) x += __shfl_xor_sync(kAll, x, bits);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  x = threadIdx.x < blockDim.x / 32 ? sums[threadIdx.x] : 0.0f;
  for (unsigned delta = 16; delta > 0; delta /= 2) x += __shfl_down_sync(kAll, x, delta);
  if (threadIdx.x == 0) atomicAdd(total, x);
}

// Each thread's index and block's size, over a grid of three dimensions.
__global__ inline void indices(uint4* output) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  output[block * (blockDim.x * blockDim.y * blockDim.z) + thread] =
      make_uint4(threadIdx.x, threadIdx.y, threadIdx.z, block);
}

__global__ inline void votes(uint32_t* output) {
  const int lane = static_cast<int>(threadIdx.x);
  const uint32_t odd = __ballot_sync(kAll, lane % 2);
  // The two halves of the warp go different ways.
  const uint32_t mask = lane < 16 ? 0x0000ffff : 0xffff0000;
  int value = 0;
  if (lane < 16)
    value = __shfl_sync(mask, lane, 3);
  else
    value = __shfl_up_sync(mask, lane, 1, 8);
  const bool all = __all_sync(kAll, lane >= 0), not_all = __all_sync(kAll, lane > 0);
  const bool any = __any_sync(kAll, lane == 31), none = __any_sync(kAll, lane == 32);
  output[lane] = odd == 0xaaaaaaaa && all && !not_all && any && !none ? static_cast<uint32_t>(value) : ~0u;
}
// From a lane that takes no part: undefined on the device, NaN here.
__global__ inline void shuffle_from_outside(float* output) {
  if (threadIdx.x < 8) output[threadIdx.x] = __shfl_sync(0xff, 1.0f, threadIdx.x == 2 ? 9 : 0);
}

__global__ inline void reverse_in_static_shared(int* output) {
  __shared__ int plain[64];
  plain[63 - threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  output[threadIdx.x] = plain[threadIdx.x];
}

// The neighbour's number, with or without waiting for it.
__global__ inline void neighbours(float* output, bool with_barrier) {
  float* const values = gpu::dynamic_shared<float>();
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (with_barrier) __syncthreads();
  output[threadIdx.x] = values[(threadIdx.x + 1) % blockDim.x];
}

__global__ inline void end_before_barrier() {
  if (threadIdx.x < 32) return;
  __syncthreads();
}
constexpr int kTwoBarriersLine = __LINE__ + 3;
__global__ inline void two_barriers() {
  if (threadIdx.x < 40)
    __syncthreads();
  else
    __syncthreads();
}
__global__ inline void missing_lane() {
  if (threadIdx.x == 5) return;
  __syncwarp();
}
__global__ inline void mixed_collectives(float* out) {
  if (threadIdx.x < 5)
    out[0] = __shfl_sync(kAll, 1.0f, 0);
  else
    out[0] = static_cast<float>(__ballot_sync(kAll, 1));
}
__global__ inline void different_masks() { __syncwarp(threadIdx.x < 5 ? 0xffffffff : 0x7fffffff); }
__global__ inline void not_in_mask() { __syncwarp(0xf); }
__global__ inline void throws() { throw std::runtime_error("thrown by the kernel"); }

__global__ inline void static_index(float* output) {
  __shared__ gpu::shared_array<float, 8> values;
  output[threadIdx.x] = values[threadIdx.x];
}
// Reads a static array before it writes it: the first thread's value must not survive the block.
__global__ inline void static_leftover(float* output) {
  __shared__ gpu::shared_array<float, 1> value;
  output[blockIdx.x] = value[0];
  value[0] = 1;
}
__global__ inline void write_dynamic(int count) {
  float* const values = gpu::dynamic_shared<float>();
  if (static_cast<int>(threadIdx.x) < count) values[threadIdx.x] = 0;
}
__global__ inline void read_dynamic(float* output) { output[threadIdx.x] = gpu::dynamic_shared<float>()[threadIdx.x]; }
__global__ inline void fill(float* output, int count, float value) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) output[i] = value;
}
__global__ inline void add_to(float* values, float summand) { values[threadIdx.x] += summand; }

// In which turn each block runs.
__global__ inline void tickets(unsigned* counter, unsigned* output) { output[blockIdx.x] = atomicAdd(counter, 1u); }
__global__ inline void largest(int* output) { atomicMax(output, static_cast<int>(threadIdx.x * 37 % 101)); }

enum class CopyFault { none, no_wait, wait_for_too_few, early_reuse, misaligned };
// Every thread copies 16 bytes through shared memory; the second one masks its copy out.
__global__ inline void copy(const float4* input, float4* output, CopyFault fault) {
  float4* const buffer = gpu::dynamic_shared<float4>();
  float4* const mine = buffer + threadIdx.x;
  if (fault == CopyFault::misaligned) gpu::cp_async_16(reinterpret_cast<float*>(mine) + 1, input, true);
  const bool valid = threadIdx.x != 1;
  gpu::cp_async_16(mine, valid ? input + threadIdx.x : nullptr, valid);
  gpu::cp_async_commit();
  if (fault == CopyFault::wait_for_too_few)
    gpu::cp_async_wait<1>();
  else if (fault != CopyFault::no_wait)
    gpu::cp_async_wait<0>();
  if (fault == CopyFault::early_reuse) gpu::cp_async_16(mine, input, true);
  output[threadIdx.x] = *mine;
  gpu::cp_async_commit();
  gpu::cp_async_wait<0>();
}
// Two groups: after wait<1> the first has arrived and the second has not.
__global__ inline void copy_groups(const float4* input, float4* output) {
  float4* const buffer = gpu::dynamic_shared<float4>();
  for (int i = 0; i < 2; ++i) {
    gpu::cp_async_16(buffer + i, input + i, true);
    gpu::cp_async_commit();
  }
  gpu::cp_async_wait<1>();
  output[0] = buffer[0];
  output[1] = buffer[1];
  gpu::cp_async_wait<0>();
  output[2] = buffer[1];
}

// 32 rows of eight 16-bit numbers, `stride` numbers apart; each lane's four registers. Only the first `rows` are read,
// again and again.
__global__ inline void load_matrices(const uint16_t* input, uint32_t* output, int stride, int rows, bool transposed) {
  uint16_t* const shared = gpu::dynamic_shared<uint16_t>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) shared[lane * stride + i] = input[lane * 8 + i];
  __syncwarp();
  uint32_t r[4];
  if (transposed)
    gpu::ldmatrix_x4_trans(r, shared + lane % rows * stride);
  else
    gpu::ldmatrix_x4(r, shared + lane % rows * stride);
  for (int i = 0; i < 4; ++i) output[lane * 4 + i] = r[i];
}

// One warp: D += A B, with fragments filled by the definition in ptx.h. A is 16 x depth, B depth x 8, D 16 x 8.
template <int depth, class T, class Multiply>
__device__ void multiply_by_definition(const T* a, const T* b, Multiply multiply) {
  constexpr int kPerRegister = 4 / sizeof(T);
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  uint32_t left[4], right[2];
  T elements[kPerRegister];
  for (int i = 0; i < 4; ++i) {
    for (int e = 0; e < kPerRegister; ++e)
      elements[e] = a[(g + i % 2 * 8) * depth + t * kPerRegister + i / 2 * depth / 2 + e];
    std::memcpy(&left[i], elements, 4);
  }
  for (int i = 0; i < 2; ++i) {
    for (int e = 0; e < kPerRegister; ++e) elements[e] = b[(t * kPerRegister + i * depth / 2 + e) * 8 + g];
    std::memcpy(&right[i], elements, 4);
  }
  multiply(left, right);
}
__device__ inline float* sum_at(float* d, int i) {
  const int lane = static_cast<int>(threadIdx.x);
  return d + (lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2;
}
template <class T>
__global__ void multiply_16(const T* a, const T* b, float* d) {
  multiply_by_definition<16>(a, b, [&](const auto& left, const auto& right) {
    float sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = *sum_at(d, i);
    gpu::mma_m16n8k16<T>(sum, left, right);
    for (int i = 0; i < 4; ++i) *sum_at(d, i) = sum[i];
  });
}
__global__ inline void multiply_f16_sums(const gpu::half_t* a, const gpu::half_t* b, float* d) {
  multiply_by_definition<16>(a, b, [&](const auto& left, const auto& right) {
    uint32_t sum[2];
    for (int i = 0; i < 2; ++i) sum[i] = gpu::pack2<gpu::half_t>(*sum_at(d, 2 * i), *sum_at(d, 2 * i + 1));
    gpu::mma_m16n8k16_f16_accumulate(sum, left, right);
    for (int i = 0; i < 2; ++i) {
      const float2 pair = gpu::unpack2<gpu::half_t>(sum[i]);
      *sum_at(d, 2 * i) = pair.x;
      *sum_at(d, 2 * i + 1) = pair.y;
    }
  });
}
__global__ inline void multiply_tf32(const float* a, const float* b, float* d) {
  multiply_by_definition<8>(a, b, [&](const auto& left, const auto& right) {
    float sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = *sum_at(d, i);
    gpu::mma_m16n8k8_tf32(sum, left, right);
    for (int i = 0; i < 4; ++i) *sum_at(d, i) = sum[i];
  });
}
// The same product with fragments from ldmatrix; b is stored row by row, hence transposed.
template <class T>
__global__ void multiply_ldmatrix(const T* a, const T* b, float* d) {
  T* const shared = gpu::dynamic_shared<T>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += 32) shared[i] = a[i];
  for (int i = lane; i < 128; i += 32) shared[256 + i] = b[i];
  __syncwarp();
  uint32_t left[4], right[4];
  gpu::ldmatrix_x4(left, shared + lane % 16 * 16 + lane / 16 * 8);
  gpu::ldmatrix_x4_trans(right, shared + 256 + lane % 16 * 8);  // The upper lanes' matrices are not used.
  float sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = *sum_at(d, i);
  gpu::mma_m16n8k16<T>(sum, left, {right[0], right[1]});
  for (int i = 0; i < 4; ++i) *sum_at(d, i) = sum[i];
}

}  // namespace gpen::GPEN_GPU_NS::test_kernels
