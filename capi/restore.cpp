// gpen_restore() and gpen_detect().
#include <memory>

#include "capi/entry.h"
#include "capi/model.h"
#include "capi/pixels.h"
#include "capi/result.h"
#include "pipeline/faces_json.h"

using namespace gpen;
using namespace gpen::capi;

namespace {

constexpr LoadOptions kLimits;  // of a photo: what a file may have

gpen_restore_params defaults() {
  const RestoreOptions options;
  gpen_restore_params p = {};
  p.threshold = options.detection.threshold;
  p.lambda_id = options.lambda_id;
  p.alpha = options.alpha;
  return p;
}

Result<Image> photo_of(const gpen_image* image) {
  GPEN_RETURN_IF_ERROR(check_image(image, "image"));
  if (image->width > kLimits.max_side || image->height > kLimits.max_side ||
      int64_t{image->width} * image->height > kLimits.max_pixels)
    return fail(Code::usage, "image is ", image->width, "x", image->height, " pixels, the limits are ",
                kLimits.max_side, " on each side and ", kLimits.max_pixels / 1'000'000, " million together");
  return to_image(image, "image");
}

DetectionOptions detection_of(const gpen_restore_params& p) {
  DetectionOptions options;
  options.threshold = p.threshold;
  options.min_face = p.min_face;
  options.max_faces = p.max_faces;
  options.largest_only = p.largest_face;
  if (p.detect_size > 0) options.shrink_above = options.shrink_to = p.detect_size;
  if (p.detect_size < 0) options.shrink_above = 0;
  return options;
}

RestoreOptions options_of(const gpen_restore_params& p, Task task) {
  RestoreOptions options;
  options.task = task;
  options.aligned = p.aligned;
  options.detection = detection_of(p);
  options.lambda_id = p.lambda_id;
  options.alpha = p.alpha;
  options.tile_size = p.tile;
  options.batch = p.batch;
  options.seed = p.seed;
  options.keep_crops = p.keep_faces;
  options.compare = p.compare;
  options.draw_boxes = p.draw_boxes;
  options.progress = [&p](const char* stage, double fraction) {
    if (p.progress != nullptr) p.progress(stage, fraction, p.progress_user_data);
    return p.abort == nullptr || !p.abort(p.abort_user_data);
  };
  return options;
}

Result<std::vector<Face>> given_faces(const gpen_restore_params& p) {
  std::vector<Face> faces;
  for (size_t i = 0; i < p.face_count; ++i) {
    const gpen_face& from = p.faces[i];
    Face face;
    for (size_t k = 0; k < face.landmarks.size(); ++k) face.landmarks[k] = {from.landmarks[k].x, from.landmarks[k].y};
    face.score = from.score;
    face.box = {from.x0, from.y0, from.x1, from.y1};
    if (!(face.box.width() > 0 && face.box.height() > 0)) {
      const Result<Box> box = box_from_landmarks(face.landmarks);
      if (!box.ok()) return box.status().in(concat("params->faces[", i, "]"));
      face.box = *box;
    }
    faces.push_back(face);
  }
  return faces;
}

// What cannot be had together.
Status check_together(const gpen_restore_params& p, const gpen_model& model) {
  if (p.faces == nullptr && p.face_count > 0) return fail(Code::usage, "params->faces is NULL, but not its count");
  if (p.faces != nullptr && p.aligned) return fail(Code::usage, "params->aligned and params->faces exclude each other");
  if (p.aligned && p.draw_boxes) return fail(Code::usage, "params->aligned and params->draw_boxes exclude each other");
  if (p.tile > 0 && (p.aligned || model.loaded.networks.upscaler == nullptr))
    return fail(Code::usage, "params->tile is for an upscaler, and none takes part");
  return {};
}

void log_result(const gpen_model& model, const RestoreResult& result) {
  if (model.log.callback == nullptr) return;
  for (const std::string& note : result.notes) model.log(GPEN_LOG_WARN, note.c_str());
  for (const StageTime& time : result.times)
    model.log(GPEN_LOG_DEBUG, concat(time.stage, ": ", time.ms, " ms").c_str());
}

Result<RestoreResult> restore(gpen_model* model, const gpen_restore_params& p, const Image& photo) {
  if (model->loaded.networks.gpen == nullptr) return fail(Code::usage, "the model has no GPEN: it only detects");
  const RestoreOptions options = options_of(p, model->task);
  GPEN_RETURN_IF_ERROR(gpen::check(options));
  GPEN_RETURN_IF_ERROR(check_together(p, *model));
  GPEN_ASSIGN(const std::vector<Face> faces, given_faces(p));
  GPEN_RETURN_IF_ERROR(model->turns.take(p.abort, p.abort_user_data));
  const Turn turn(&model->turns);
  return model->restorer.restore(photo, options, p.faces != nullptr ? &faces : nullptr);
}

Result<RestoreResult> detect(gpen_model* model, const gpen_restore_params& p, const Image& photo) {
  const DetectionOptions options = detection_of(p);
  GPEN_RETURN_IF_ERROR(gpen::check(options));
  if (model->loaded.networks.detector == nullptr) return fail(Code::usage, "the model has no detector");
  GPEN_RETURN_IF_ERROR(model->turns.take(p.abort, p.abort_user_data));
  const Turn turn(&model->turns);
  if (p.progress != nullptr) p.progress("detect", 0, p.progress_user_data);
  if (p.abort != nullptr && p.abort(p.abort_user_data)) return fail(Code::cancelled, "cancelled");
  GPEN_ASSIGN(const Detections found,
              detect_faces(*model->loaded.networks.detector, photo, options, *model->where.pool));
  if (p.progress != nullptr) p.progress("detect", 1, p.progress_user_data);
  RestoreResult result;
  for (const Face& face : found.faces) {
    result.faces.emplace_back();
    result.faces.back().face = face;
  }
  if (found.faces.empty()) result.notes.push_back("no face found");
  return result;
}

// What both entries do around their computing.
template <class Fn>
gpen_status run(gpen_model* model, const gpen_restore_params* params, const gpen_image* image, gpen_result** result,
                Fn&& compute) {
  if (result != nullptr) *result = nullptr;
  const gpen_status status = entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(model, "model"));
    GPEN_RETURN_IF_ERROR(need(result, "result"));
    GPEN_RETURN_IF_ERROR(check_process(*model));
    gpen_restore_params p = gpen_restore_default_params();
    GPEN_RETURN_IF_ERROR(read_params(params, sizeof(gpen_restore_params), "params", &p));
    GPEN_ASSIGN(const Image photo, photo_of(image));
    auto made = std::make_unique<gpen_result>();
    made->crop_size = model->loaded.size;
    GPEN_RETURN_IF_ERROR(compute(p, photo, made.get()));
    log_result(*model, made->found);
    *result = made.release();
    return {};
  });
  return model != nullptr ? logged(model->log, status) : status;
}

}  // namespace

void gpen_restore_params_init(gpen_restore_params* params, size_t size) {
  if (params != nullptr) write_params(defaults(), params, size);
}

gpen_status gpen_restore(gpen_model* model, const gpen_restore_params* params, const gpen_image* image,
                         gpen_result** result) {
  return run(model, params, image, result,
             [&](const gpen_restore_params& p, const Image& photo, gpen_result* made) -> Status {
               GPEN_ASSIGN(made->found, restore(model, p, photo));
               for (const FaceReport& face : made->found.faces) made->alignments.emplace_back(face.alignment);
               return {};
             });
}

gpen_status gpen_detect(gpen_model* model, const gpen_restore_params* params, const gpen_image* image,
                        gpen_result** result) {
  return run(model, params, image, result,
             [&](const gpen_restore_params& p, const Image& photo, gpen_result* made) -> Status {
               GPEN_ASSIGN(made->found, detect(model, p, photo));
               for (const FaceReport& face : made->found.faces) {
                 const Result<Alignment> alignment = align_face(face.face.landmarks, made->crop_size);
                 made->alignments.push_back(alignment.ok() ? std::optional<Alignment>(*alignment) : std::nullopt);
               }
               return {};
             });
}
