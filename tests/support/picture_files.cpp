#include "support/picture_files.h"

#include <algorithm>

namespace gpen::test {

namespace {

void append(Bytes* out, std::span<const uint8_t> bytes) { out->insert(out->end(), bytes.begin(), bytes.end()); }

void append_u32(Bytes* out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<uint8_t>(v >> shift));
}

uint32_t crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = ~0u;
  for (uint8_t b : bytes) {
    crc ^= b;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

uint32_t adler32(std::span<const uint8_t> bytes) {
  uint32_t a = 1, b = 0;
  for (uint8_t v : bytes) {
    a = (a + v) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void append_chunk(Bytes* out, const char* type, std::span<const uint8_t> body) {
  append_u32(out, static_cast<uint32_t>(body.size()));
  Bytes checked(type, type + 4);
  append(&checked, body);
  append(out, checked);
  append_u32(out, crc32(checked));
}

Bytes png_with_data(uint32_t width, uint32_t height, int color_type, int bits, std::span<const uint8_t> zlib) {
  Bytes out{0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A}, header;
  append_u32(&header, width);
  append_u32(&header, height);
  append(&header, Bytes{static_cast<uint8_t>(bits), static_cast<uint8_t>(color_type), 0, 0, 0});
  append_chunk(&out, "IHDR", header);
  append_chunk(&out, "IDAT", zlib);
  append_chunk(&out, "IEND", {});
  return out;
}

}  // namespace

Bytes png_file(uint32_t width, uint32_t height, int color_type, int bits, std::span<const uint8_t> samples) {
  const size_t row = samples.size() / height;
  Bytes raw;
  for (size_t y = 0; y < height; ++y) {
    raw.push_back(0);  // no filter
    append(&raw, samples.subspan(y * row, row));
  }
  Bytes zlib{0x78, 0x01};
  for (size_t at = 0; at < raw.size();) {
    const size_t n = std::min<size_t>(raw.size() - at, 65535);
    zlib.push_back(at + n == raw.size());  // stored block, the last one marked
    for (const size_t v : {n, ~n}) {
      zlib.push_back(static_cast<uint8_t>(v));
      zlib.push_back(static_cast<uint8_t>(v >> 8));
    }
    append(&zlib, std::span(raw).subspan(at, n));
    at += n;
  }
  append_u32(&zlib, adler32(raw));
  return png_with_data(width, height, color_type, bits, zlib);
}

Bytes png_header(uint32_t width, uint32_t height) { return png_with_data(width, height, 2, 8, {}); }

Bytes png_bomb(uint32_t width, uint32_t height, size_t inflated) {
  // One fixed-Huffman block: a literal 0, then matches of length 258 at distance 1: code 285 = 11000101, distance code
  // 00000; end of block 0000000.
  Bytes zlib{0x78, 0x01};
  uint32_t bits = 0;
  int count = 0;
  const auto put = [&](uint32_t value, int n) {  // Huffman codes go in most significant bit first
    for (int i = n - 1; i >= 0; --i) {
      bits |= (value >> i & 1) << count;
      if (++count == 8) {
        zlib.push_back(static_cast<uint8_t>(bits));
        bits = 0;
        count = 0;
      }
    }
  };
  put(1, 1);     // last block
  put(0b10, 2);  // fixed Huffman: 01, least significant bit first
  put(0b00110000, 8);
  for (size_t n = 1; n < inflated; n += 258) {
    put(0b11000101, 8);
    put(0, 5);
  }
  put(0, 7);
  while (count != 0) put(0, 1);
  append_u32(&zlib, 0);
  return png_with_data(width, height, 0, 8, zlib);
}

Bytes with_exif_orientation(std::span<const uint8_t> jpeg, int orientation, bool big_endian) {
  Bytes body{'E', 'x', 'i', 'f', 0, 0};
  const auto number = [&](uint32_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) body.push_back(static_cast<uint8_t>(v >> 8 * (big_endian ? bytes - 1 - i : i)));
  };
  append(&body, big_endian ? Bytes{'M', 'M'} : Bytes{'I', 'I'});
  number(42, 2);
  number(8, 4);       // the directory follows
  number(2, 2);       // two entries
  number(0x0100, 2);  // image width, long
  number(4, 2);
  number(1, 4);
  number(48, 4);
  number(0x0112, 2);  // orientation, short
  number(3, 2);
  number(1, 4);
  number(static_cast<uint32_t>(orientation), 2);
  number(0, 2);
  number(0, 4);  // no next directory
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  out.push_back(0xFF);
  out.push_back(0xE1);
  out.push_back(static_cast<uint8_t>((body.size() + 2) >> 8));
  out.push_back(static_cast<uint8_t>(body.size() + 2));
  append(&out, body);
  append(&out, jpeg.subspan(2));
  return out;
}

}  // namespace gpen::test
