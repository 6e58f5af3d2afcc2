// Faces as JSON: what `gpen detect` prints and `gpen restore --faces` reads.
//
//   {"image": "photo.png", "width": 1328, "height": 568, "crop_size": 512, "faces": [
//     {"box": [x0, y0, x1, y1], "score": 0.99, "landmarks": [[x, y], ... five of them],
//      "forward": [[a, b, c], [d, e, f]], "inverse": [[...], [...]]}, ...]}
//
// All coordinates are pixels of the photo, pixel centres are integers. forward takes the photo to a crop of crop_size,
// inverse the crop to the photo. Reading needs the landmarks only (from any detector; also as ten plain numbers): a
// missing score is 1, a missing box is derived from the landmarks, everything else is ignored. A bare list of faces is
// read too.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/detection.h"

namespace gpen {

// Transforms are those of crops of side crop_size; a face whose landmarks cannot be aligned has none.
std::string faces_to_json(const std::vector<Face>& faces, const std::string& image, int width, int height,
                          int crop_size);

// Code::io "NAME: reason" for anything that is not such JSON; hostile text is safe.
Result<std::vector<Face>> faces_from_json(std::string_view text, const std::string& name);
Result<std::vector<Face>> load_faces(const std::filesystem::path& path);

// The box that RetinaFace would give, on average, to a face with these landmarks.
Result<Box> box_from_landmarks(const Landmarks& landmarks);

}  // namespace gpen
