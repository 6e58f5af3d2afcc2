// zlib streams (RFC 1950), for PNG: packed by libdeflate where the build found it, else by stb_image_write (slower and
// larger, the same pixels); unpacked by stb_image.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gpen {

// Empty when there is no memory for it, or for more than 2 GiB.
std::vector<uint8_t> zlib_deflate(std::span<const uint8_t> bytes);

// Empty when the stream is damaged or holds more than max_bytes.
std::vector<uint8_t> zlib_inflate(std::span<const uint8_t> stream, size_t max_bytes);

}  // namespace gpen
