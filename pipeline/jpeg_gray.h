// A gray baseline JPEG (ITU-T T.81): stb_image_write knows only three components.
#pragma once
#include <cstdint>
#include <vector>

namespace gpen {

// samples: width * height, sides up to 65535; quality 1 to 100 on the same scale as the colour writer's. A complete
// file with a JFIF header.
std::vector<uint8_t> write_gray_jpeg(const std::vector<uint8_t>& samples, int width, int height, int quality);

}  // namespace gpen
