#include "pipeline/aligned_face.h"

#include <algorithm>

#include "pipeline/face_batch.h"
#include "pipeline/paste.h"
#include "pipeline/stage_timer.h"

namespace gpen {

namespace {

AlignedFace prepare(const GpenArch& arch, const Image& picture, Task task, ThreadPool& pool) {
  AlignedFace face;
  face.input = to_square(task, picture, arch.in_size, pool);
  face.original = arch.out_size == arch.in_size ? face.input : to_square(task, picture, arch.out_size, pool);
  face.photo_scale = static_cast<double>(std::max(picture.width, picture.height)) / arch.in_size;
  return face;
}

// The report's one face: the picture itself.
FaceReport whole_picture(const Image& picture, int side) {
  const int width = picture.width, height = picture.height;
  FaceReport report;
  const Rect at = placed_in_square(width, height, side);
  const double sx = static_cast<double>(at.x1 - at.x0) / width, sy = static_cast<double>(at.y1 - at.y0) / height;
  report.alignment.forward.m[0] = {sx, 0, at.x0 + 0.5 * sx - 0.5};
  report.alignment.forward.m[1] = {0, sy, at.y0 + 0.5 * sy - 0.5};
  report.alignment.inverse = inverse(report.alignment.forward);
  report.face.box = {0, 0, static_cast<double>(width), static_cast<double>(height)};
  report.face.landmarks = reference_landmarks(side);
  for (Point& p : report.face.landmarks) p = report.alignment.inverse(p);
  return report;
}

}  // namespace

double scale_of_aligned_face(const GpenNet& net, const Image& picture) {
  return static_cast<double>(net.arch().out_size) / std::max(picture.width, picture.height);
}

Result<RestoreResult> restore_aligned_face(GpenNet& net, const Image& picture, const RestoreOptions& options,
                                           ThreadPool& pool) {
  RestoreResult result;
  std::vector<AlignedFace> faces;
  {
    const StageTimer timer(&result.times, "align");
    faces.push_back(prepare(net.arch(), picture, options.task, pool));
    result.faces.push_back(whole_picture(picture, net.arch().out_size));
  }
  if (options.progress != nullptr && !options.progress("restore", 0)) return fail(Code::cancelled, "cancelled");
  const auto spent = [&](const char* stage, double ms) { StageTimer::add(&result.times, stage, ms); };
  GPEN_RETURN_IF_ERROR(
      restore_faces(net, {options.task, options.lambda_id, options.seed}, pool, &faces, spent).status());
  AlignedFace& face = faces.front();
  result.faces.front().degradation = face.degradation;
  result.faces.front().has_degradation = face.has_degradation;
  if (options.keep_crops) {
    result.crops.push_back(face.original);
    result.restored.push_back(face.restored);
  }
  blend(face.restored.rgb, face.original.rgb, options.alpha, face.restored.rgb);
  result.image = from_square(face.restored, picture.width, picture.height);
  if (!picture.alpha.empty())
    result.image.alpha = resize_bilinear(picture, result.image.width, result.image.height, pool).alpha;
  return result;
}

}  // namespace gpen
