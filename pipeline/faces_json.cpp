#include "pipeline/faces_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/file_io.h"

namespace gpen {

namespace {

using Json = nlohmann::json;
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxFaces = 10000;
constexpr double kMaxCoordinate = 1e6;

Json matrix_json(const Affine& a) { return Json::array({a.m[0], a.m[1]}); }

Result<double> coordinate(const Json& value) {
  if (!value.is_number()) return fail(Code::io, "a coordinate is not a number");
  const double v = value.get<double>();
  if (!(std::abs(v) <= kMaxCoordinate)) return fail(Code::io, "a coordinate is beyond ", kMaxCoordinate, " pixels");
  return v;
}

// [[x, y] x 5] or ten numbers.
Result<Landmarks> read_landmarks(const Json& value) {
  Landmarks points;
  const bool pairs = value.is_array() && value.size() == 5;
  if (!pairs && !(value.is_array() && value.size() == 10))
    return fail(Code::io, "\"landmarks\" is not a list of five points");
  for (size_t i = 0; i < points.size(); ++i) {
    if (pairs && !(value[i].is_array() && value[i].size() == 2))
      return fail(Code::io, "landmark ", i, " is not a point [x, y]");
    GPEN_ASSIGN(points[i].x, coordinate(pairs ? value[i][0] : value[2 * i]));
    GPEN_ASSIGN(points[i].y, coordinate(pairs ? value[i][1] : value[2 * i + 1]));
  }
  return points;
}

Result<Box> read_box(const Json& value) {
  if (!value.is_array() || value.size() != 4) return fail(Code::io, "\"box\" is not a list of four numbers");
  Box box;
  double* corners[] = {&box.x0, &box.y0, &box.x1, &box.y1};
  for (size_t i = 0; i < 4; ++i) {
    GPEN_ASSIGN(*corners[i], coordinate(value[i]));
  }
  if (!(box.x1 > box.x0) || !(box.y1 > box.y0)) return fail(Code::io, "\"box\" is empty: [x0, y0, x1, y1] is wanted");
  return box;
}

Result<Face> read_face(const Json& value) {
  if (!value.is_object()) return fail(Code::io, "is not an object");
  if (!value.contains("landmarks")) return fail(Code::io, "has no \"landmarks\"");
  Face face;
  GPEN_ASSIGN(face.landmarks, read_landmarks(value["landmarks"]));
  GPEN_ASSIGN(const Box derived, box_from_landmarks(face.landmarks));
  face.box = derived;
  if (value.contains("box") && !value["box"].is_null()) {
    GPEN_ASSIGN(face.box, read_box(value["box"]));
  }
  if (value.contains("score") && !value["score"].is_null()) {
    GPEN_ASSIGN(face.score, coordinate(value["score"]));
  }
  return face;
}

}  // namespace

Result<Box> box_from_landmarks(const Landmarks& landmarks) {
  // Means over the 58 boxes that two RetinaFace networks gave on one group photo, in a crop of side 1.
  constexpr Point kCentre{0.500, 0.552};
  constexpr double kWidth = 0.488, kHeight = 0.621;
  GPEN_ASSIGN(const Alignment a, align_face(landmarks, 1));
  const Point c = a.inverse(kCentre);
  const double w = kWidth * a.inverse.scale(), h = kHeight * a.inverse.scale();
  return Box{c.x - w / 2, c.y - h / 2, c.x + w / 2, c.y + h / 2};
}

std::string faces_to_json(const std::vector<Face>& faces, const std::string& image, int width, int height,
                          int crop_size) {
  nlohmann::ordered_json document;
  document["image"] = image;
  document["width"] = width;
  document["height"] = height;
  document["crop_size"] = crop_size;
  document["faces"] = nlohmann::ordered_json::array();
  for (const Face& f : faces) {
    nlohmann::ordered_json entry;
    entry["box"] = {f.box.x0, f.box.y0, f.box.x1, f.box.y1};
    entry["score"] = f.score;
    for (const Point& p : f.landmarks) entry["landmarks"].push_back({p.x, p.y});
    if (const Result<Alignment> a = align_face(f.landmarks, crop_size); a.ok()) {
      entry["forward"] = matrix_json(a->forward);
      entry["inverse"] = matrix_json(a->inverse);
    }
    document["faces"].push_back(std::move(entry));
  }
  // File names need not be UTF-8.
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<std::vector<Face>> faces_from_json(std::string_view text, const std::string& name) {
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return fail(Code::io, name, ": is not JSON");
  const bool wrapped = document.is_object() && document.contains("faces");
  const Json& list = wrapped ? document["faces"] : document;
  if (!list.is_array()) return fail(Code::io, name, ": holds no list of \"faces\"");
  if (list.size() > kMaxFaces) return fail(Code::io, name, ": holds ", list.size(), " faces, the limit is ", kMaxFaces);
  std::vector<Face> faces;
  for (size_t i = 0; i < list.size(); ++i) {
    Result<Face> face = read_face(list[i]);
    if (!face.ok()) return fail(Code::io, name, ": face ", i, ": ", face.status().message());
    faces.push_back(*face);
  }
  return faces;
}

Result<std::vector<Face>> load_faces(const std::filesystem::path& path) {
  GPEN_ASSIGN(const std::vector<uint8_t> bytes, read_file(path, kMaxBytes));
  return faces_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace gpen
