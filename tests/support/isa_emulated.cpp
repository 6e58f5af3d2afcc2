#include "support/isa_emulated.h"

#include <bit>
#include <cstring>

namespace gpen {
namespace {

namespace plain {
constexpr const char* kName = "emulated_avx512";
#include "support/isa_emulated_lanes.h"
inline void store_bf16(float* d, V x) { store(d, round_to_bf16(x)); }
#include "kernels/isa_body.h"
}  // namespace plain

namespace dots {
constexpr const char* kName = "emulated_avx512_bf16";
#include "support/isa_emulated_lanes.h"
#define GPEN_BF16_DOT 1
inline V low_half(V words);
inline V high_half(V words);
// VDPBF16PS: a product of two bf16 is exact in fp32.
inline V dot(V acc, V a, V b) {
  acc = acc + high_half(a) * high_half(b);
  return acc + low_half(a) * low_half(b);
}
// Sixteen bf16 in the first half of the pixel's 64 bytes; the second half is left as it is.
inline void store_bf16(float* d, V x) {
  const V rounded = round_to_bf16(x);
  uint16_t halves[kLanes];
  for (int i = 0; i < kLanes; ++i) halves[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(float{rounded[i]}) >> 16);
  std::memcpy(d, halves, sizeof halves);
}
#include "kernels/isa_body.h"
}  // namespace dots

}  // namespace

namespace test {
const IsaKernels* isa_emulated_avx512() { return &plain::kTable; }
const IsaKernels* isa_emulated_avx512_bf16() { return &dots::kTable; }
}  // namespace test
}  // namespace gpen
