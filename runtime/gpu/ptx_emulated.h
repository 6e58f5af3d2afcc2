// The part of ptx.h for the host.
//
// The sums of the tensor cores are formed in single precision, one product after the other; the hardware's order and
// rounding differ, so results are compared with tolerances. Sums in half precision are rounded once per instruction.
#pragma once
#include "runtime/gpu/gpu.h"
#include "runtime/tf32.h"

namespace gpen::gpu::emulation {

template <bool transpose>
void load_matrices(uint32_t (&r)[4], const void* row, const Site& where) {
  struct Row {
    uint16_t element[8];
    uintptr_t address;
  };
  struct Registers {
    uint32_t r[4];
  };
  Worker& worker = Worker::current();
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) worker.fail_now(where.text() + ": misaligned address");
  Row mine;
  std::memcpy(mine.element, row, sizeof mine.element);
  mine.address = reinterpret_cast<uintptr_t>(row);
  const auto result = worker.collective<Registers>(kFullWarp, where, mine, [](uint32_t, auto& in, auto& out) {
    for (unsigned i = 0; i < 4; ++i) {
      // Eight rows of 16 bytes take one cycle if they lie in different groups of four banks.
      unsigned banks = 0, wasted = 0;
      for (unsigned j = 0; j < 8; ++j) {
        const unsigned bank = 1u << in[8 * i + j]->address / 16 % 8;
        bool again = (banks & bank) != 0;
        for (unsigned k = 0; k < j; ++k) again &= in[8 * i + k]->address != in[8 * i + j]->address;
        wasted += again;
        banks |= bank;
      }
      if (wasted > 0) statistics().bank_conflicts += wasted;
      for (unsigned lane = 0; lane < kWarpSize; ++lane) {
        const unsigned g = lane / 4, t = lane % 4;
        const uint32_t low = transpose ? in[8 * i + 2 * t]->element[g] : in[8 * i + g]->element[2 * t];
        const uint32_t high = transpose ? in[8 * i + 2 * t + 1]->element[g] : in[8 * i + g]->element[2 * t + 1];
        out[lane]->r[i] = low | high << 16;
      }
    }
  });
  for (int i = 0; i < 4; ++i) r[i] = result.r[i];
}

struct Sums {
  float d[4];
};
struct Operands {
  uint32_t a[4], b[2];
  Sums sums;
};

template <class T>
void unpack_operands(const Operands& in, float (&left)[16][16], float (&right)[16][8], unsigned g, unsigned t) {
  for (unsigned i = 0; i < 4; ++i) {
    const float2 pair = unpack2<T>(in.a[i]);
    left[g + i % 2 * 8][2 * t + i / 2 * 8] = pair.x;
    left[g + i % 2 * 8][2 * t + i / 2 * 8 + 1] = pair.y;
  }
  for (unsigned i = 0; i < 2; ++i) {
    const float2 pair = unpack2<T>(in.b[i]);
    right[2 * t + i * 8][g] = pair.x;
    right[2 * t + i * 8 + 1][g] = pair.y;
  }
}
inline void unpack_tf32(const Operands& in, float (&left)[16][8], float (&right)[8][8], unsigned g, unsigned t) {
  const auto number = [](uint32_t bits) {
    return std::bit_cast<float>(bits & 0xffffe000u);
  };  // as the hardware reads it
  for (unsigned i = 0; i < 4; ++i) left[g + i % 2 * 8][t + i / 2 * 4] = number(in.a[i]);
  for (unsigned i = 0; i < 2; ++i) right[t + i * 4][g] = number(in.b[i]);
}

// unpack(operands, left, right, g, t) spreads one lane's elements to the whole matrices.
template <int depth, class Unpack>
Sums multiply(const uint32_t (&a)[4], const uint32_t (&b)[2], const Sums& sums, const Site& where, Unpack unpack) {
  const Operands mine{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, sums};
  return Worker::current().collective<Sums>(kFullWarp, where, mine, [unpack](uint32_t, auto& in, auto& out) {
    float left[16][depth], right[depth][8], sum[16][8];
    for (unsigned lane = 0; lane < kWarpSize; ++lane) {
      unpack(*in[lane], left, right, lane / 4, lane % 4);
      for (unsigned i = 0; i < 4; ++i) sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = in[lane]->sums.d[i];
    }
    for (int row = 0; row < 16; ++row)
      for (int k = 0; k < depth; ++k)
        for (int column = 0; column < 8; ++column) sum[row][column] += left[row][k] * right[k][column];
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      for (unsigned i = 0; i < 4; ++i) out[lane]->d[i] = sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  });
}

}  // namespace gpen::gpu::emulation

namespace gpen::gpu {
inline namespace GPEN_GPU_BUILD {

inline unsigned load_acquire(const unsigned* address) {
  return std::atomic_ref<unsigned>(*const_cast<unsigned*>(address)).load(std::memory_order_acquire);
}
inline float load_uncached(const float* address) { return *address; }
inline void pause() { emulation::pause(); }

// The hardware may write the destination at any time between the start of the copy and the wait for it. So the
// emulation destroys it at the start (whoever still reads the old contents gets NaN) and delivers the data at the wait
// (whoever reads without waiting gets NaN too). Both count as accesses of the thread.
inline void cp_async_16(void* shared, const void* global, bool valid, GPEN_EMULATION_SITE) {
  emulation::Worker& worker = emulation::Worker::current();
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(global) % 16 != 0))
    worker.fail_now(emulation::Site{"cp_async_16", file, line}.text() + ": misaligned address");
  uint4 data{};
  if (valid) data = *static_cast<const uint4*>(global);
  *static_cast<uint4*>(shared) = make_uint4(~0u, ~0u, ~0u, ~0u);
  worker.start_copy(static_cast<uint4*>(shared), data);
}
inline void cp_async_commit() { emulation::Worker::current().commit_copies(); }
template <int pending>
void cp_async_wait() {
  static_assert(pending >= 0);
  emulation::Worker::current().deliver_copies(pending);
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void* row, GPEN_EMULATION_SITE) {
  emulation::load_matrices<false>(r, row, {"ldmatrix_x4", file, line});
}
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row, GPEN_EMULATION_SITE) {
  emulation::load_matrices<true>(r, row, {"ldmatrix_x4_trans", file, line});
}

template <class T>
void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], GPEN_EMULATION_SITE) {
  const emulation::Sums sums = emulation::multiply<16>(a, b, {d[0], d[1], d[2], d[3]}, {"mma_m16n8k16", file, line},
                                                       emulation::unpack_operands<T>);
  for (int i = 0; i < 4; ++i) d[i] = sums.d[i];
}
inline void mma_m16n8k16_f16_accumulate(uint32_t (&d)[2], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                        GPEN_EMULATION_SITE) {
  const float2 upper = unpack2<half_t>(d[0]), lower = unpack2<half_t>(d[1]);
  const emulation::Sums sums =
      emulation::multiply<16>(a, b, {upper.x, upper.y, lower.x, lower.y}, {"mma_m16n8k16_f16_accumulate", file, line},
                              emulation::unpack_operands<half_t>);
  for (int i = 0; i < 2; ++i)
    d[i] = float_to_half(sums.d[2 * i]).bits | static_cast<uint32_t>(float_to_half(sums.d[2 * i + 1]).bits) << 16;
}
inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], GPEN_EMULATION_SITE) {
  const emulation::Sums sums =
      emulation::multiply<8>(a, b, {d[0], d[1], d[2], d[3]}, {"mma_m16n8k8_tf32", file, line}, emulation::unpack_tf32);
  for (int i = 0; i < 4; ++i) d[i] = sums.d[i];
}

inline uint32_t round_to_tf32(float x) { return float_to_tf32(x); }

}  // namespace GPEN_GPU_BUILD
}  // namespace gpen::gpu
