// Picture files made by hand, for what the project's own encoder does not write.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gpen::test {
using Bytes = std::vector<uint8_t>;

// A PNG with uncompressed deflate blocks. color_type as in PNG (0 gray, 2 RGB, 4 gray + alpha, 6 RGBA), bits 8 or 16;
// samples: the rows without filter bytes, big-endian.
Bytes png_file(uint32_t width, uint32_t height, int color_type, int bits, std::span<const uint8_t> samples);
// Signature, IHDR (8-bit RGB) and an empty IDAT: enough to tell the size, nothing to decode.
Bytes png_header(uint32_t width, uint32_t height);
// A PNG of that size (gray, 8 bits) whose data inflates to `inflated` bytes: about a thousandth of that on disk.
Bytes png_bomb(uint32_t width, uint32_t height, size_t inflated);
// The JPEG with an Exif segment that states the orientation.
Bytes with_exif_orientation(std::span<const uint8_t> jpeg, int orientation, bool big_endian);
}  // namespace gpen::test
