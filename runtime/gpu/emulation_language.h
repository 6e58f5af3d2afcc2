// The part of gpu.h for the host: CUDA's language extensions, built-in functions, and launch().
#pragma once
#include <math.h>  // The global names: fmaxf, expf, ...

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <tuple>

#include "runtime/gpu/emulation.h"
#include "runtime/gpu/gpu.h"

// A block runs on one OS thread, so its shared variables are that thread's.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ thread_local
#define __grid_constant__
#define __align__(n) alignas(n)

// The place of the call, as the last parameters of a function.
#define GPEN_EMULATION_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace gpen::gpu::emulation {

// source(lane) is the lane whose value is wanted; outside of the lane's segment, its own.
template <class T, class Source>
T shuffle(uint32_t mask, T value, const Site& where, int width, Source source) {
  Worker& worker = Worker::current();
  const int self = static_cast<int>(worker.lane());
  struct Request {
    T value;
    int from;
  };
  int from = source(self);
  const int segment = self & ~(width - 1);
  if (from < segment || from >= segment + width) from = self;
  return worker.collective<T>(mask, where, Request{value, from}, [](uint32_t lanes, auto& in, auto& out) {
    for (unsigned i = 0; i < kWarpSize; ++i) {
      if (!(lanes >> i & 1)) continue;
      const Request* const source_lane = in[static_cast<unsigned>(in[i]->from)];
      if (source_lane != nullptr)
        *out[i] = source_lane->value;
      else
        std::memset(static_cast<void*>(out[i]), kPoison, sizeof(T));  // The lane takes no part.
    }
  });
}

namespace cuda_names {

inline void __syncthreads(GPEN_EMULATION_SITE) { Worker::current().barrier({"__syncthreads", file, line}); }
inline void __syncwarp(uint32_t mask = kFullWarp, GPEN_EMULATION_SITE) {
  Worker::current().sync_warp(mask, {"__syncwarp", file, line});
}

template <class T>
T __shfl_sync(uint32_t mask, T v, int from, int width = 32, GPEN_EMULATION_SITE) {
  return shuffle(mask, v, {"__shfl_sync", file, line}, width,
                 [=](int self) { return (self & ~(width - 1)) | (from & (width - 1)); });
}
template <class T>
T __shfl_up_sync(uint32_t mask, T v, unsigned delta, int width = 32, GPEN_EMULATION_SITE) {
  return shuffle(mask, v, {"__shfl_up_sync", file, line}, width,
                 [=](int self) { return self - static_cast<int>(delta); });
}
template <class T>
T __shfl_down_sync(uint32_t mask, T v, unsigned delta, int width = 32, GPEN_EMULATION_SITE) {
  return shuffle(mask, v, {"__shfl_down_sync", file, line}, width,
                 [=](int self) { return self + static_cast<int>(delta); });
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T v, int bits, int width = 32, GPEN_EMULATION_SITE) {
  return shuffle(mask, v, {"__shfl_xor_sync", file, line}, width, [=](int self) { return self ^ bits; });
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate, GPEN_EMULATION_SITE) {
  return Worker::current().collective<uint32_t>(mask, {"__ballot_sync", file, line}, predicate,
                                                [](uint32_t lanes, auto& in, auto& out) {
                                                  uint32_t votes = 0;
                                                  for (unsigned i = 0; i < kWarpSize; ++i)
                                                    if ((lanes >> i & 1) && *in[i] != 0) votes |= 1u << i;
                                                  for (unsigned i = 0; i < kWarpSize; ++i)
                                                    if (lanes >> i & 1) *out[i] = votes;
                                                });
}
inline int __any_sync(uint32_t mask, int predicate, GPEN_EMULATION_SITE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(uint32_t mask, int predicate, GPEN_EMULATION_SITE) {
  return __ballot_sync(mask, predicate == 0, file, line) == 0;
}

// int, unsigned, float. Acquire and release, so that __threadfence() has nothing left to do.
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_acq_rel);
}
// int, unsigned
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  const std::atomic_ref<T> at(*address);
  T old = at.load(std::memory_order_acquire);
  while (old < value && !at.compare_exchange_weak(old, value, std::memory_order_acq_rel)) {
  }
  return old;
}
inline void __threadfence() {}

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class A, class B>
auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <class A, class B>
auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float sinpif(float x) { return std::sin(std::numbers::pi_v<float> * x); }
inline double cospi(double x) { return std::cos(std::numbers::pi * x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? std::min(x, 1.0f) : 0.0f; }  // NaN gives 0
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x != 0 ? std::countr_zero(static_cast<unsigned>(x)) + 1 : 0; }

}  // namespace cuda_names
}  // namespace gpen::gpu::emulation

namespace gpen::gpu {
inline namespace GPEN_GPU_BUILD {

template <class T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(emulation::Worker::current().dynamic_shared());
}

// Has no constructor, so that no initialisation guard is needed: it enrols at the first access instead.
template <class T, size_t count>
class shared_array {
 public:
  T* data() {
    if (!enrolled_) enrol();
    return elements_;
  }
  T& operator[](size_t index) {
    if (index >= count)
      emulation::Worker::current().fail_now("index " + std::to_string(index) + " of a shared array of " +
                                            std::to_string(count));
    return data()[index];
  }

 private:
  void enrol() {
    emulation::Worker::current().enrol_static_shared(elements_, sizeof elements_);
    const emulation::InternalScope internal;
    enrolled_ = true;
  }
  T elements_[count];
  bool enrolled_;
};

template <class... P, class... A>
void launch_with(bool together, Device& device, KernelName name, void (*kernel)(P...), dim3 grid, dim3 block,
                 size_t shared_bytes, A&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  std::tuple<P...> copies(static_cast<P>(std::forward<A>(arguments))...);
  device.run_or_record([=, &device] {
    Status status = emulation::run_kernel(
        name.name, name.file, name.line, grid, block, shared_bytes, device.info().shared_bytes,
        [&] { std::apply(kernel, copies); }, together);
    if (!status.ok()) device.note_error(std::move(status));
  });
}

}  // namespace GPEN_GPU_BUILD
}  // namespace gpen::gpu
