// The orientation of a photo: tag 0x0112 of the first image directory of its EXIF data (Exif 2.32, 4.6.4), which a JPEG
// keeps in an APP1 segment and a PNG in its eXIf chunk.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/image.h"

namespace gpen {

// 1 to 8; 1 (upright) when there is none, or when anything in the way to it is not as the standard says. tiff: EXIF
// data without what precedes them in a JPEG.
int exif_orientation(std::span<const uint8_t> tiff);
// Writes 1 over the orientation, in place: the one byte that changes. Nothing when there is none.
void set_upright_exif(std::vector<uint8_t>* tiff);

// Turns and mirrors a stored picture so that it stands upright. 1: as is; 2: mirrored left-right; 3: turned by 180;
// 4: mirrored top-bottom; 5: transposed; 6: to be turned 90 clockwise; 7: transposed along the other diagonal;
// 8: to be turned 90 counter-clockwise. Colour and alpha, of 16 bits too; other values change nothing.
void apply_orientation(Image* image, int orientation);

}  // namespace gpen
