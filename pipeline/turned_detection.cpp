#include "pipeline/turned_detection.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pipeline/exif.h"

namespace gpen {

namespace {

// 0 to 3 quarter turns clockwise, or -1 for an angle in between.
int quarter_turns(double degrees) {
  const double quarters = degrees / 90;
  return quarters == std::floor(quarters) ? static_cast<int>(std::fmod(std::fmod(quarters, 4) + 4, 4)) : -1;
}

// Photo -> turned picture about the centres of both (pixel centres have integer coordinates).
Affine turn(int width, int height, int turned_width, int turned_height, double cosine, double sine) {
  const double cx = (width - 1) / 2.0, cy = (height - 1) / 2.0;
  Affine a;
  a.m[0] = {cosine, -sine, (turned_width - 1) / 2.0 - cosine * cx + sine * cy};
  a.m[1] = {sine, cosine, (turned_height - 1) / 2.0 - sine * cx - cosine * cy};
  return a;
}

}  // namespace

TurnedPicture turn_picture(const Image& photo, double degrees, ThreadPool& pool) {
  const int quarters = quarter_turns(degrees);
  if (quarters >= 0) {
    constexpr int kOrientations[] = {1, 6, 3, 8};  // of EXIF: to be turned clockwise by 0, 90, 180, 270
    constexpr double kCosine[] = {1, 0, -1, 0}, kSine[] = {0, 1, 0, -1};
    Image turned(photo.width, photo.height);
    turned.rgb = photo.rgb;
    apply_orientation(&turned, kOrientations[quarters]);
    const Affine there =
        turn(photo.width, photo.height, turned.width, turned.height, kCosine[quarters], kSine[quarters]);
    return {std::move(turned), inverse(there)};
  }
  const double angle = degrees * std::numbers::pi / 180, cosine = std::cos(angle), sine = std::sin(angle);
  const double c = std::abs(cosine), s = std::abs(sine);
  Image turned(static_cast<int>(std::ceil(photo.width * c + photo.height * s)),
               static_cast<int>(std::ceil(photo.width * s + photo.height * c)));
  const Affine back = inverse(turn(photo.width, photo.height, turned.width, turned.height, cosine, sine));
  warp_affine(view(photo), back, view(turned), pool);
  return {std::move(turned), back};
}

Face turned_back(const Face& face, const Affine& to_photo, double degrees) {
  Face out = face;
  for (Point& p : out.landmarks) p = to_photo(p);
  const Box& b = face.box;
  const Point centre = to_photo({(b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2});
  const double angle = degrees * std::numbers::pi / 180;
  const bool on_its_side = std::abs(std::sin(angle)) > std::abs(std::cos(angle));
  const double half_width = (on_its_side ? b.height() : b.width()) / 2;
  const double half_height = (on_its_side ? b.width() : b.height()) / 2;
  out.box = {centre.x - half_width, centre.y - half_height, centre.x + half_width, centre.y + half_height};
  return out;
}

Result<Detections> detect_turned_faces(RetinaFaceNet& net, const Image& photo, const DetectionOptions& options,
                                       ThreadPool& pool) {
  GPEN_RETURN_IF_ERROR(check(options));
  DetectionOptions each = options;  // the filters choose among the faces of all angles
  each.angles = {0};
  each.min_face = 0;
  each.largest_only = false;
  each.max_faces = 0;
  Detections all;
  all.scale = detection_scale(photo.width, photo.height, options);
  std::vector<Face> candidates;
  for (const double degrees : options.angles) {
    const TurnedPicture turned = turn_picture(photo, degrees, pool);
    GPEN_ASSIGN(const Detections found, detect_faces(net, turned.picture, each, pool));
    for (const Face& face : found.faces) candidates.push_back(turned_back(face, turned.to_photo, degrees));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Face& a, const Face& b) { return a.score > b.score; });
  all.faces = suppress_overlaps(candidates, options);
  filter_faces(&all.faces, options);
  return all;
}

}  // namespace gpen
