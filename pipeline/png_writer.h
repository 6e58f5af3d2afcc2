// PNG files (ISO/IEC 15948): 8 or 16 bits, gray or RGB, with or without alpha, with metadata.
#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/image.h"

namespace gpen {

// gray: one channel, the luma. 16 bits when the picture has sixteen_bits(). Code::io for a picture too large,
// Code::memory.
Result<std::vector<uint8_t>> write_png(const Image& image, bool gray, const Metadata& metadata);

}  // namespace gpen
