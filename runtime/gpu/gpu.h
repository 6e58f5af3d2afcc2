// What a GPU kernel includes. A kernel's source is compiled twice:
//   * by nvcc, for the GPU: gpu_cuda.h brings in the CUDA headers and launch();
//   * by a host compiler with -DGPEN_GPU_EMULATED: emulation_language.h emulates CUDA's execution model, so that
//     indices, masks, the use of shared memory and the synchronisation are tested without a GPU or the toolkit.
//
// Kernels live in namespace gpen::GPEN_GPU_NS, so that one program can hold both builds of them; what is defined here
// is in an inline namespace of the build for the same reason.
//
// Rules for kernels:
//   * inline PTX only in ptx.h; launches only through launch();
//   * dynamic shared memory through dynamic_shared<T>(), never by an own `extern __shared__`; static arrays as
//     `__shared__ gpu::shared_array<T, n> x;`, which the emulation fills with NaN and whose indices it checks;
//   * 16-bit numbers only through the functions below: the host's half_t and bf16_t have no operators;
//   * no pointer formed from a masked-out index; no return before a __syncthreads() that others reach;
//   * host compilers need -fno-strict-aliasing (vectors of halves are read as registers, as CUDA allows) and
//     -Wno-unknown-pragmas (#pragma unroll).
//
// Both builds offer in namespace gpen::gpu:
//
//   half_t, bf16_t                IEEE binary16; the upper half of a float
//   float to_float(T)             exact, for half_t, bf16_t, float
//   T from_float<T>(float)        to nearest, ties to even; half_t never overflows: what lies beyond +-65504, infinity
//                                 too, gives +-65504; NaN stays NaN
//   float2 unpack2<T>(uint32_t)   two 16-bit numbers, the low half is the first
//   uint32_t pack2<T>(low, high)  the same way back, clamped like from_float()
//   T* dynamic_shared<T>()        the block's dynamic shared memory, aligned to 128 bytes
//   shared_array<T, n>            see above
//   launch(device, name, kernel, grid, block, shared_bytes, arguments...)
//                                 puts the kernel on the device's stream; nothing when a dimension of the grid is 0;
//                                 `name` is a literal. Errors go to device.note_error(), with the name and the place
//                                 of the launch.
//   launch_together(...)          the same for a kernel whose blocks wait for one another: at most as many blocks as
//                                 the device has multiprocessors
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "runtime/device.h"

#ifdef GPEN_GPU_EMULATED
#define GPEN_GPU_NS emulated
#define GPEN_GPU_BUILD emulated_build
#else
#define GPEN_GPU_NS cuda
#define GPEN_GPU_BUILD cuda_build
#endif

namespace gpen::gpu {
inline namespace GPEN_GPU_BUILD {

// A kernel's name and where it was launched: converts from the name alone.
struct KernelName {
  const char* name;
  const char* file;
  int line;
  KernelName(const char* kernel, const char* in_file = __builtin_FILE(), int at_line = __builtin_LINE())
      : name(kernel), file(in_file), line(at_line) {}
};

}  // namespace GPEN_GPU_BUILD
}  // namespace gpen::gpu

#ifdef GPEN_GPU_EMULATED
#include "runtime/gpu/emulation_language.h"
#else
#include "runtime/gpu/gpu_cuda.h"
#endif

namespace gpen::gpu {
inline namespace GPEN_GPU_BUILD {

template <class... P, class... A>
void launch(Device& device, KernelName name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
            A&&... arguments) {
  launch_with(false, device, name, kernel, grid, block, shared_bytes, std::forward<A>(arguments)...);
}
template <class... P, class... A>
void launch_together(Device& device, KernelName name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                     A&&... arguments) {
  launch_with(true, device, name, kernel, grid, block, shared_bytes, std::forward<A>(arguments)...);
}

}  // namespace GPEN_GPU_BUILD
}  // namespace gpen::gpu
