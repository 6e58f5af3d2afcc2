// Face alignment: five landmarks -> a square crop, and back (docs/reference.md 4).
#pragma once
#include <array>

#include "pipeline/geometry.h"
#include "runtime/status.h"

namespace gpen {

// Left eye, right eye, nose, left and right corner of the mouth, as they stand in the picture.
using Landmarks = std::array<Point, 5>;

// Where the landmarks lie in a crop of side `size`.
Landmarks reference_landmarks(int size);

// The similarity (rotation, uniform scale, translation) that takes `from` to `to` with the least squared error:
// S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4),
// 1991, eq. 40-43; SVD in double. Code::usage when the points are not finite or coincide (no scale can be read).
Result<Affine> estimate_similarity(const Landmarks& from, const Landmarks& to);

struct Alignment {
  Affine forward;  // photo -> crop
  Affine inverse;  // crop -> photo
};
Result<Alignment> align_face(const Landmarks& landmarks, int size);

}  // namespace gpen
