// The values of a picture as files of other kinds need them: 16 bits per channel, and luma.
#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/image.h"

namespace gpen {

// round(v / 257)
inline uint8_t to_eight_bits(uint32_t v) { return static_cast<uint8_t>((v + 128) / 257); }

// From 1 to 4 interleaved channels: gray, gray + alpha, RGB, RGBA.
DeepSamples deep_samples(const uint16_t* pixels, int64_t count, int channels);

// Whether the picture has 16-bit samples that belong to its pixels.
bool sixteen_bits(const Image& image);

// A sample in 16 bits: the one that was read plus 257 for every level by which the pipeline moved the 8-bit value. A
// value that nothing touched is the file's, exactly; a changed one is right to half a level of 8 bits, and there is no
// edge where changed and unchanged pixels meet. at: index into rgb or alpha. Needs sixteen_bits().
inline uint16_t moved(uint16_t read, uint8_t now) {
  const int v = read + (int{now} - to_eight_bits(read)) * 257;
  return static_cast<uint16_t>(v < 0 ? 0 : v > 65535 ? 65535 : v);
}
inline uint16_t sixteen_bit_colour(const Image& image, size_t at) { return moved(image.deep->rgb[at], image.rgb[at]); }
inline uint16_t sixteen_bit_alpha(const Image& image, size_t at) {
  return moved(image.deep->alpha[at], image.alpha[at]);
}

// BT.601 full range, rounded; exactly the value where all three are equal. Any depth up to 16 bits.
inline uint32_t luma(uint32_t r, uint32_t g, uint32_t b) { return (299 * r + 587 * g + 114 * b + 500) / 1000; }
std::vector<uint8_t> luma_plane(const Image& image);

}  // namespace gpen
