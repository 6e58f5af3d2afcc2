// Thin wrappers of the PTX instructions that the kernels use: inline assembly on the device (ptx_cuda.h), functions
// with the same operands and fragment layouts on the host (ptx_emulated.h). In both, in namespace gpen::gpu:
//
//   cp_async_16(void* shared, const void* global, bool valid)
//       starts a copy of 16 bytes, both addresses multiples of 16; zeros where `valid` is false: nothing is read then
//   cp_async_commit()            makes one group of the thread's copies started since the last commit
//   cp_async_wait<pending>()     waits until at most `pending` of the thread's latest groups are unfinished
//   ldmatrix_x4(uint32_t (&r)[4], const void* row), ldmatrix_x4_trans(...)
//       loads four 8x8 matrices of 16-bit elements from shared memory; lane 8 i + j gives the address of row j of
//       matrix i, a multiple of 16. Matrix i arrives in r[i]: elements [g][2t,2t+1], or transposed [2t,2t+1][g].
//   mma_m16n8k16<T>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])       d += a b, T half_t or bf16_t
//   mma_m16n8k16_f16_accumulate(uint32_t (&d)[2], a, b)     the same for half_t with sums in half precision
//   mma_m16n8k8_tf32(float (&d)[4], a, b)
//   uint32_t round_to_tf32(float)    to nearest, ties away from zero, 10 bits of mantissa; mma ignores the other 13
//
// In a warp, with g = lane / 4 and t = lane % 4, a lane's registers hold these matrix elements:
//   16-bit A 16x16:  a[0] = A[g][2t,2t+1]  a[1] = A[g+8][2t,2t+1]  a[2], a[3] = the same, columns + 8
//   16-bit B 16x8:   b[0] = B[2t,2t+1][g]  b[1] = B[2t+8,2t+9][g]
//   tf32   A 16x8:   a[0] = A[g][t]        a[1] = A[g+8][t]        a[2], a[3] = the same, columns + 4
//   tf32   B 8x8:    b[0] = B[t][g]        b[1] = B[t+4][g]
//   f32  C, D 16x8:  d[0] = D[g][2t]  d[1] = D[g][2t+1]  d[2], d[3] = the same, rows + 8
//   f16  C, D 16x8:  d[0] = D[g][2t,2t+1]  d[1] = D[g+8][2t,2t+1]
//
//   uint32_t load_acquire(const unsigned*)    sees what any block wrote before it changed the number with an atomic
//   float load_uncached(const float*)         past the first-level cache: what another block of the same launch wrote
//   pause()                                   in a loop that waits for another block (launch_together)
//
// On sm_75, cp_async_16 is an ordinary load and store and m16n8k16 of half_t two m16n8k8; bf16_t and tf32 compile but
// trap: they need sm_80.
#pragma once
#include "runtime/gpu/gpu.h"

#ifdef GPEN_GPU_EMULATED
#include "runtime/gpu/ptx_emulated.h"
#else
#include "runtime/gpu/ptx_cuda.h"
#endif
