#include "pipeline/aligned_face.h"

#include <algorithm>

#include "pipeline/paste.h"
#include "pipeline/stage_timer.h"

namespace gpen {

AlignedFace align_picture(const GpenArch& arch, const Image& picture, Task task, ThreadPool& pool) {
  AlignedFace face;
  face.input = to_square(task, picture, arch.in_size, pool);
  face.original = arch.out_size == arch.in_size ? face.input : to_square(task, picture, arch.out_size, pool);
  face.photo_scale = static_cast<double>(std::max(picture.width, picture.height)) / arch.in_size;
  return face;
}

FaceReport report_of_aligned_face(const GpenArch& arch, const Image& picture) {
  const int width = picture.width, height = picture.height, side = arch.out_size;
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

double scale_of_aligned_face(const GpenArch& arch, const Image& picture) {
  return static_cast<double>(arch.out_size) / std::max(picture.width, picture.height);
}

Image picture_of_aligned_face(AlignedFace* face, const Image& picture, double alpha, ThreadPool& pool) {
  blend(face->restored.rgb, face->original.rgb, alpha, face->restored.rgb);
  Image result = from_square(face->restored, picture.width, picture.height);
  if (!picture.alpha.empty()) result.alpha = resize_bilinear(picture, result.width, result.height, pool).alpha;
  return result;
}

Result<RestoreResult> restore_aligned_face(GpenNet& net, const Image& picture, const RestoreOptions& options,
                                           ThreadPool& pool) {
  RestoreResult result;
  std::vector<AlignedFace> faces;
  {
    const StageTimer timer(&result.times, "align");
    faces.push_back(align_picture(net.arch(), picture, options.task, pool));
    result.faces.push_back(report_of_aligned_face(net.arch(), picture));
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
  result.image = picture_of_aligned_face(&face, picture, options.alpha, pool);
  return result;
}

}  // namespace gpen
