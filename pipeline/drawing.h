// Pictures for people to look at: before beside after, and where the faces were found.
#pragma once
#include "pipeline/detection.h"
#include "pipeline/image.h"

namespace gpen {

// before | after, side by side; before is enlarged to the size of after. Alpha is kept when either has it.
Image side_by_side(const Image& before, const Image& after, ThreadPool& pool);

// Outlines the box and marks the five landmarks of every face. Coordinates are pixels of a picture that `image` is
// `scale` times as large as. Lines grow with the picture.
void draw_faces(Image* image, const std::vector<Face>& faces, double scale);

}  // namespace gpen
