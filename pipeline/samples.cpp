#include "pipeline/samples.h"

namespace gpen {

DeepSamples deep_samples(const uint16_t* pixels, int64_t count, int channels) {
  const bool gray = channels <= 2, with_alpha = channels == 2 || channels == 4;
  DeepSamples samples;
  samples.rgb.resize(static_cast<size_t>(count) * 3);
  samples.alpha.resize(with_alpha ? static_cast<size_t>(count) : 0);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i, pixels += channels) {
    for (size_t c = 0; c < 3; ++c) samples.rgb[3 * i + c] = pixels[gray ? 0 : c];
    if (with_alpha) samples.alpha[i] = pixels[channels - 1];
  }
  return samples;
}

bool sixteen_bits(const Image& image) {
  return image.deep != nullptr && image.deep->rgb.size() == image.rgb.size() &&
         image.deep->alpha.size() == image.alpha.size();
}

std::vector<uint8_t> luma_plane(const Image& image) {
  std::vector<uint8_t> plane(static_cast<size_t>(image.pixels()));
  for (size_t i = 0; i < plane.size(); ++i)
    plane[i] = static_cast<uint8_t>(luma(image.rgb[3 * i], image.rgb[3 * i + 1], image.rgb[3 * i + 2]));
  return plane;
}

}  // namespace gpen
