#include "pipeline/detection.h"

#include <algorithm>
#include <cmath>

#include "pipeline/turned_detection.h"

namespace gpen {

double detection_scale(int width, int height, const DetectionOptions& options) {
  const int longer = std::max(width, height);
  if (options.shrink_above <= 0 || longer <= options.shrink_above) return 1;
  return static_cast<double>(options.shrink_to) / longer;
}

Status check(const DetectionOptions& o) {
  if (!(o.threshold >= 0 && o.threshold < 1))
    return fail(Code::usage, "the detection threshold must be at least 0 and below 1, not ", o.threshold);
  if (o.shrink_above > 0 && o.shrink_to < 16)
    return fail(Code::usage, "the picture for detection must have 16 pixels or more, not ", o.shrink_to);
  if (o.shrink_above > 0 && o.shrink_to > o.shrink_above)
    return fail(Code::usage, "photos above ", o.shrink_above, " pixels cannot be shrunk to ", o.shrink_to);
  if (!(o.min_face >= 0)) return fail(Code::usage, "the smallest face must not be negative");
  if (o.angles.empty()) return fail(Code::usage, "there is no angle to look for faces at");
  for (const double angle : o.angles)
    if (!(std::abs(angle) <= 360))
      return fail(Code::usage, "an angle to look for faces at must be between -360 and 360, not ", angle);
  if (o.max_faces < 0) return fail(Code::usage, "the largest number of faces must not be negative");
  return Status();
}

DetectorInput prepare_detector_input(const Image& photo, double scale, ThreadPool& pool) {
  constexpr float kMeanBgr[3] = {104, 117, 123};
  DetectorInput input;
  input.width = std::max(1, static_cast<int>(std::lround(photo.width * scale)));
  input.height = std::max(1, static_cast<int>(std::lround(photo.height * scale)));
  const size_t plane = static_cast<size_t>(input.width) * static_cast<size_t>(input.height);
  input.data.resize(3 * plane);

  std::vector<float> resized;
  const bool shrink = scale != 1;
  if (shrink) {
    resized.resize(3 * plane);
    resize_bilinear<uint8_t, float>(view(photo), {resized.data(), input.width, input.height, 3}, pool, 1 / scale,
                                    1 / scale);
  }
  pool.parallel_for(input.height, [&](int64_t y, int) {
    const size_t first = static_cast<size_t>(y) * static_cast<size_t>(input.width);
    for (size_t i = first; i < first + static_cast<size_t>(input.width); ++i)
      for (size_t c = 0; c < 3; ++c)  // c counts B, G, R
        input.data[c * plane + i] =
            (shrink ? resized[3 * i + 2 - c] : static_cast<float>(photo.rgb[3 * i + 2 - c])) - kMeanBgr[c];
  });
  return input;
}

std::vector<Anchor> make_anchors(int width, int height) {
  constexpr struct { int stride, sizes[2]; } kLevels[] = {{8, {16, 32}}, {16, {64, 128}}, {32, {256, 512}}};
  std::vector<Anchor> anchors;
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  for (const auto& level : kLevels) {
    const int rows = (height + level.stride - 1) / level.stride, columns = (width + level.stride - 1) / level.stride;
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        for (int size : level.sizes)
          anchors.push_back({static_cast<float>((j + 0.5) * level.stride / w),
                             static_cast<float>((i + 0.5) * level.stride / h), static_cast<float>(size / w),
                             static_cast<float>(size / h)});
  }
  return anchors;
}

namespace {

bool all_finite(const Face& f) {
  bool finite =
      std::isfinite(f.box.x0) && std::isfinite(f.box.y0) && std::isfinite(f.box.x1) && std::isfinite(f.box.y1);
  for (const Point& p : f.landmarks) finite = finite && std::isfinite(p.x) && std::isfinite(p.y);
  return finite;
}

// In single precision and in this order, as the published code computes: landmarks agree with it to their last digits.
Face decode_one(const Anchor& a, const float* l, const float* m, float score, int width, int height) {
  constexpr float kCentreVariance = 0.1f, kSizeVariance = 0.2f;
  const auto pixels_x = static_cast<float>(width), pixels_y = static_cast<float>(height);
  Face f;
  f.score = score;
  const float w = a.w * std::exp(l[2] * kSizeVariance), h = a.h * std::exp(l[3] * kSizeVariance);
  const float x0 = a.cx + l[0] * kCentreVariance * a.w - w / 2, y0 = a.cy + l[1] * kCentreVariance * a.h - h / 2;
  f.box = {x0 * pixels_x, y0 * pixels_y, (x0 + w) * pixels_x, (y0 + h) * pixels_y};
  for (size_t k = 0; k < f.landmarks.size(); ++k)
    f.landmarks[k] = {(a.cx + m[2 * k] * kCentreVariance * a.w) * pixels_x,
                      (a.cy + m[2 * k + 1] * kCentreVariance * a.h) * pixels_y};
  return f;
}

// Intersection over union with both sides counted one pixel longer, as the published code counts.
double overlap(const Box& a, const Box& b) {
  const auto side = [](double from, double to) { return std::max(0.0, to - from + 1); };
  const double shared =
      side(std::max(a.x0, b.x0), std::min(a.x1, b.x1)) * side(std::max(a.y0, b.y0), std::min(a.y1, b.y1));
  return shared / (side(a.x0, a.x1) * side(a.y0, a.y1) + side(b.x0, b.x1) * side(b.y0, b.y1) - shared);
}

}  // namespace

std::vector<Face> decode_faces(const std::vector<Anchor>& anchors, const float* loc, const float* conf,
                               const float* landms, int width, int height, const DetectionOptions& options) {
  std::vector<size_t> found;
  for (size_t i = 0; i < anchors.size(); ++i)
    if (conf[2 * i + 1] > options.threshold) found.push_back(i);
  std::stable_sort(found.begin(), found.end(), [&](size_t a, size_t b) { return conf[2 * a + 1] > conf[2 * b + 1]; });
  std::vector<Face> faces;
  for (size_t i : found) {
    if (faces.size() == static_cast<size_t>(options.before_nms)) break;
    const Face f = decode_one(anchors[i], loc + 4 * i, landms + 10 * i, conf[2 * i + 1], width, height);
    if (all_finite(f)) faces.push_back(f);
  }
  return faces;
}

std::vector<Face> suppress_overlaps(const std::vector<Face>& faces, const DetectionOptions& options) {
  std::vector<Face> kept;
  for (const Face& f : faces) {
    if (kept.size() == static_cast<size_t>(options.after_nms)) break;
    const bool taken = std::any_of(kept.begin(), kept.end(),
                                   [&](const Face& k) { return overlap(k.box, f.box) > options.nms_overlap; });
    if (!taken) kept.push_back(f);
  }
  return kept;
}

Face enlarged(const Face& face, double scale) {
  const auto at = [scale](double v) { return (v + 0.5) * scale - 0.5; };
  Face out = face;
  for (Point& p : out.landmarks) p = {at(p.x), at(p.y)};
  out.box = {at(face.box.x0), at(face.box.y0), at(face.box.x1), at(face.box.y1)};
  return out;
}

void filter_faces(std::vector<Face>* faces, const DetectionOptions& options) {
  std::erase_if(*faces, [&](const Face& f) { return f.box.smaller_side() < options.min_face; });
  if (options.largest_only && !faces->empty()) {
    const auto area = [](const Face& f) { return f.box.width() * f.box.height(); };
    *faces = {*std::max_element(faces->begin(), faces->end(),
                                [&](const Face& a, const Face& b) { return area(a) < area(b); })};
  }
  if (options.max_faces > 0 && faces->size() > static_cast<size_t>(options.max_faces))
    faces->resize(static_cast<size_t>(options.max_faces));
}

Result<Detections> detect_faces(RetinaFaceNet& net, const Image& photo, const DetectionOptions& options,
                                ThreadPool& pool) {
  GPEN_RETURN_IF_ERROR(check(options));
  if (!options.as_it_stands()) return detect_turned_faces(net, photo, options, pool);
  const double scale = detection_scale(photo.width, photo.height, options);
  DetectorInput input = prepare_detector_input(photo, scale, pool);
  return detect_faces(net, make_view(input.data.data(), 1, 3, input.height, input.width), scale, options);
}

Result<Detections> detect_faces(RetinaFaceNet& net, const TensorView& input, double scale,
                                const DetectionOptions& options) {
  GPEN_RETURN_IF_ERROR(check(options));
  Detections result;
  result.scale = scale;
  const auto width = static_cast<int>(input.w), height = static_cast<int>(input.h);
  RetinaFaceNet::Output answer;
  GPEN_RETURN_IF_ERROR(net.forward(input, &answer).in("face detector"));
  const std::vector<Anchor> anchors = make_anchors(width, height);
  if (answer.anchors != static_cast<int64_t>(anchors.size()))
    return fail(Code::internal, "the detector answered ", answer.anchors, " anchors, ", anchors.size(),
                " were expected");
  const std::vector<Face> candidates =
      decode_faces(anchors, answer.loc.data(), answer.conf.data(), answer.landms.data(), width, height, options);
  result.faces = suppress_overlaps(candidates, options);
  for (Face& f : result.faces) {
    f.box = {f.box.x0 / result.scale, f.box.y0 / result.scale, f.box.x1 / result.scale, f.box.y1 / result.scale};
    for (Point& p : f.landmarks) p = {p.x / result.scale, p.y / result.scale};
  }
  filter_faces(&result.faces, options);
  return result;
}

}  // namespace gpen
