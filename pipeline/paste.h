// Putting restored faces back into the photo (docs/reference.md 5).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/geometry.h"

namespace gpen {

inline constexpr int kMaskSide = 512;  // masks are always made at this side, then resized to the face's

// Border of 26 pixels set to 0, then twice a Gaussian of 101 taps and sigma 4. keep: kMaskSide x kMaskSide, 0..1.
Plane soften_mask(Plane keep, ThreadPool& pool);
// The mask of a face without a parser, from ones, at side `size`.
Plane default_mask(int size, ThreadPool& pool);
// The mask from a parser's answer: logits classes x side x side; 1 where the most likely class is any but background
// (0), hat (14) and cloth (18). Ties go to the lower class. `size`: side of the result. classes > 18.
Plane parsed_mask(const float* logits, int classes, int side, int size, ThreadPool& pool);

// Faces whose smaller box side is below this many pixels are smoothed before pasting: pixels of the picture that they
// are cropped from (the photo, or its enlargement), not of the shrunk one that a large photo's faces are looked for on.
inline constexpr double kSmallFace = 100;

// out = round(restored * alpha + crop * (1 - alpha)); all of the same size and 3 channels.
void blend(std::span<const uint8_t> restored, std::span<const uint8_t> crop, double alpha, std::span<uint8_t> out);

// Collects the faces of one picture. Where a face's mask exceeds the mask so far, it takes the pixel and the mask.
// Memory: 7 bytes per pixel of the picture.
class PasteCanvas {
 public:
  PasteCanvas(int width, int height) : mask_(width, height), faces_(width, height) {}
  // face: S x S, 3 channels; mask: S x S; to_crop: picture -> crop. Only the pixels that the crop can reach are
  // visited.
  void add(Pixels<const uint8_t> face, const Plane& mask, const Affine& to_crop, ThreadPool& pool);
  // picture * (1 - mask) + faces * mask, rounded to nearest.
  void blend_into(Image* picture, ThreadPool& pool) const;
  const Plane& mask() const { return mask_; }

 private:
  Plane mask_;
  Image faces_;
};

// The pixels of a width x height picture that a crop of side `size` can reach through bilinear sampling.
Rect reach_of_crop(const Affine& to_crop, int size, int width, int height);

}  // namespace gpen
