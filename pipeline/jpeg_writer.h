// JPEG files: colour through stb_image_write, gray by a baseline coder of its own (ITU-T T.81), with metadata.
#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/image.h"

namespace gpen {

// gray: one component, the luma. quality 1 to 100. Code::io for a picture too large, Code::memory.
Result<std::vector<uint8_t>> write_jpeg(const Image& image, bool gray, int quality, const Metadata& metadata);

}  // namespace gpen
