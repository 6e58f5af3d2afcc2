#include "pipeline/jpeg_gray.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <numbers>
#include <span>

namespace gpen {

namespace {

// Annex K.1: luminance quantisation, in rows.
constexpr std::array<uint8_t, 64> kQuantisation = {
    16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
    69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
    81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99};

// Annex K.3: how many codes there are of each length, and their symbols.
constexpr std::array<uint8_t, 16> kDcLengths = {0, 1, 5, 1, 1, 1, 1, 1, 1};
constexpr std::array<uint8_t, 12> kDcSymbols = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr std::array<uint8_t, 16> kAcLengths = {0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125};
constexpr std::array<uint8_t, 162> kAcSymbols = {
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA};

// Figure A.6: the order of the coefficients.
constexpr std::array<uint8_t, 64> kZigzag = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                             12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                             35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                             58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

struct Code {
  uint16_t bits = 0;
  uint8_t length = 0;
};

// Annex C: codes of one length are consecutive, a longer one continues where the shorter ones ended.
std::array<Code, 256> make_codes(std::span<const uint8_t> lengths, std::span<const uint8_t> symbols) {
  std::array<Code, 256> codes{};
  uint16_t next = 0;
  size_t symbol = 0;
  for (size_t length = 1; length <= lengths.size(); ++length, next = static_cast<uint16_t>(next << 1))
    for (int k = 0; k < lengths[length - 1]; ++k) codes[symbols[symbol++]] = {next++, static_cast<uint8_t>(length)};
  return codes;
}

class BitWriter {
 public:
  explicit BitWriter(std::vector<uint8_t>* out) : out_(*out) {}
  void put(uint32_t value, int count) {
    bits_ = bits_ << count | value;
    for (count_ += count; count_ >= 8; count_ -= 8) {
      const auto byte = static_cast<uint8_t>(bits_ >> (count_ - 8));
      out_.push_back(byte);
      if (byte == 0xFF) out_.push_back(0);  // or it would begin a marker
    }
    bits_ &= (uint64_t{1} << count_) - 1;
  }
  void put(Code code) { put(code.bits, code.length); }
  // The value's own bits behind its category (F.1.2.1.1): negative ones count down from below.
  void put_value(int value, int category) {
    put(static_cast<uint32_t>(value < 0 ? value + (1 << category) - 1 : value), category);
  }
  // Ones up to the next byte.
  void fill() {
    if (count_ > 0) put((1u << (8 - count_)) - 1, 8 - count_);
  }

 private:
  std::vector<uint8_t>& out_;
  uint64_t bits_ = 0;
  int count_ = 0;
};

int category_of(int value) { return static_cast<int>(std::bit_width(static_cast<uint32_t>(std::abs(value)))); }

using Block = std::array<float, 64>;

// The orthonormal cosine transform (A.3.3), rows and then columns.
class Transform {
 public:
  Transform() {
    for (size_t u = 0; u < 8; ++u)
      for (size_t x = 0; x < 8; ++x)
        basis_[u][x] = static_cast<float>(
            (u == 0 ? std::sqrt(0.125) : 0.5) *
            std::cos((2.0 * static_cast<double>(x) + 1) * static_cast<double>(u) * std::numbers::pi / 16));
  }
  void operator()(Block* block) const {
    Block half{};
    for (size_t y = 0; y < 8; ++y)
      for (size_t u = 0; u < 8; ++u)
        for (size_t x = 0; x < 8; ++x) half[8 * y + u] += basis_[u][x] * (*block)[8 * y + x];
    block->fill(0);
    for (size_t v = 0; v < 8; ++v)
      for (size_t y = 0; y < 8; ++y)
        for (size_t u = 0; u < 8; ++u) (*block)[8 * v + u] += basis_[v][y] * half[8 * y + u];
  }

 private:
  float basis_[8][8];
};

// The usual scaling of Annex K's table: 50 is the table, 100 is all ones.
std::array<uint8_t, 64> quantisation(int quality) {
  const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  std::array<uint8_t, 64> table;
  for (size_t i = 0; i < 64; ++i)
    table[i] = static_cast<uint8_t>(std::clamp((kQuantisation[i] * scale + 50) / 100, 1, 255));
  return table;
}

void append(std::vector<uint8_t>* out, std::initializer_list<int> bytes) {
  for (const int b : bytes) out->push_back(static_cast<uint8_t>(b));
}

void append_codes(std::vector<uint8_t>* out, int table, std::span<const uint8_t> lengths,
                  std::span<const uint8_t> symbols) {
  append(out, {0xFF, 0xC4, 0, static_cast<int>(19 + symbols.size()), table});
  out->insert(out->end(), lengths.begin(), lengths.end());
  out->insert(out->end(), symbols.begin(), symbols.end());
}

void append_header(std::vector<uint8_t>* out, int width, int height, const std::array<uint8_t, 64>& table) {
  append(out, {0xFF, 0xD8});
  append(out, {0xFF, 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0});
  append(out, {0xFF, 0xDB, 0, 67, 0});
  for (const uint8_t at : kZigzag) out->push_back(table[at]);
  append(out, {0xFF, 0xC0, 0, 11, 8, height >> 8, height, width >> 8, width, 1, 1, 0x11, 0});
  append_codes(out, 0x00, kDcLengths, kDcSymbols);
  append_codes(out, 0x10, kAcLengths, kAcSymbols);
  append(out, {0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 63, 0});
}

}  // namespace

std::vector<uint8_t> write_gray_jpeg(const std::vector<uint8_t>& samples, int width, int height, int quality) {
  const std::array<uint8_t, 64> table = quantisation(quality);
  std::vector<uint8_t> out;
  append_header(&out, width, height, table);
  const auto dc_codes = make_codes(kDcLengths, kDcSymbols), ac_codes = make_codes(kAcLengths, kAcSymbols);
  const Transform transform;
  BitWriter bits(&out);
  int last_dc = 0;
  for (int top = 0; top < height; top += 8)
    for (int left = 0; left < width; left += 8) {
      Block block;
      for (int i = 0; i < 64; ++i) {  // beyond the border its last pixels are repeated
        const int y = std::min(top + i / 8, height - 1), x = std::min(left + i % 8, width - 1);
        block[static_cast<size_t>(i)] =
            static_cast<float>(samples[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)]) -
            128;
      }
      transform(&block);
      int values[64];
      for (size_t i = 0; i < 64; ++i)
        values[i] = std::clamp(static_cast<int>(std::lround(block[kZigzag[i]] / static_cast<float>(table[kZigzag[i]]))),
                               -1023, 1023);
      const int dc = values[0] - last_dc, dc_category = category_of(dc);
      last_dc = values[0];
      bits.put(dc_codes[static_cast<size_t>(dc_category)]);
      bits.put_value(dc, dc_category);
      int zeros = 0;
      for (size_t i = 1; i < 64; ++i) {
        if (values[i] == 0) {
          ++zeros;
          continue;
        }
        for (; zeros >= 16; zeros -= 16) bits.put(ac_codes[0xF0]);
        const int category = category_of(values[i]);
        bits.put(ac_codes[static_cast<size_t>(zeros << 4 | category)]);
        bits.put_value(values[i], category);
        zeros = 0;
      }
      if (zeros > 0) bits.put(ac_codes[0]);  // end of block
    }
  bits.fill();
  append(&out, {0xFF, 0xD9});
  return out;
}

}  // namespace gpen
