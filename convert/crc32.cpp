#include "convert/crc32.h"

#include <array>

namespace gpen {
namespace {

// Table k advances a byte that is followed by k more bytes: eight bytes per step (Kounavis and Berry, 2005).
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1u) != 0 ? 0xedb88320u : 0u);
    t[0][i] = c;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xffu];
  }
  return t;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(Bytes bytes) {
  uint32_t c = 0xffffffffu;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint32_t low, high;
    std::memcpy(&low, &bytes[i], 4);
    std::memcpy(&high, &bytes[i + 4], 4);
    low ^= c;
    c = kTables[7][low & 0xffu] ^ kTables[6][(low >> 8) & 0xffu] ^ kTables[5][(low >> 16) & 0xffu] ^
        kTables[4][low >> 24] ^ kTables[3][high & 0xffu] ^ kTables[2][(high >> 8) & 0xffu] ^
        kTables[1][(high >> 16) & 0xffu] ^ kTables[0][high >> 24];
  }
  for (; i < bytes.size(); ++i) c = (c >> 8) ^ kTables[0][(c ^ static_cast<uint32_t>(bytes[i])) & 0xffu];
  return ~c;
}

}  // namespace gpen
