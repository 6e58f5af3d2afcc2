// The orientation of a JPEG: tag 0x0112 of the first image directory in its Exif APP1 segment (Exif 2.32, 4.6.4).
#pragma once
#include <cstdint>
#include <span>

#include "pipeline/image.h"

namespace gpen {

// 1 to 8; 1 (upright) when there is none, or when anything in the way to it is not as the standard says.
int jpeg_orientation(std::span<const uint8_t> file);

// Turns and mirrors a stored picture so that it stands upright. 1: as is; 2: mirrored left-right; 3: turned by 180;
// 4: mirrored top-bottom; 5: transposed; 6: to be turned 90 clockwise; 7: transposed along the other diagonal;
// 8: to be turned 90 counter-clockwise. Colour and alpha; other values change nothing.
void apply_orientation(Image* image, int orientation);

}  // namespace gpen
