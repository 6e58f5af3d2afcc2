#include "pipeline/restore.h"

#include <algorithm>
#include <utility>

#include "pipeline/background.h"
#include "pipeline/device_faces.h"
#include "pipeline/drawing.h"
#include "pipeline/face_batch.h"
#include "pipeline/paste.h"
#include "pipeline/stage_timer.h"

namespace gpen {

namespace {

// Where a pixel of the photo lies on a picture `scale` times as large, and back (half-pixel centres).
Point enlarged(Point p, double scale) { return {(p.x + 0.5) * scale - 0.5, (p.y + 0.5) * scale - 0.5}; }
Face enlarged(const Face& f, double scale) {
  Face out = f;
  const Point a = enlarged(Point{f.box.x0, f.box.y0}, scale), b = enlarged(Point{f.box.x1, f.box.y1}, scale);
  out.box = {a.x, a.y, b.x, b.y};
  for (Point& p : out.landmarks) p = enlarged(p, scale);
  return out;
}

// What to inpaint is pure white: a sample of the crop that a white pixel was mixed into is made white.
void mark_holes(const Image& picture, const Affine& to_picture, Image* crop, ThreadPool& pool) {
  Plane holes(picture.width, picture.height), mixed(crop->width, crop->height);
  for (size_t i = 0; i < holes.data.size(); ++i) {
    const uint8_t* rgb = picture.rgb.data() + 3 * i;
    holes.data[i] = rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255 ? 1.0f : 0.0f;
  }
  warp_affine<float, float>(view(std::as_const(holes)), to_picture, view(mixed), pool);
  for (size_t i = 0; i < mixed.data.size(); ++i)
    if (mixed.data[i] > 0) std::fill_n(crop->rgb.data() + 3 * i, 3, uint8_t{255});
}

// One photo on its way through the pipeline.
class Run {
 public:
  Run(const Models& models, ThreadPool& pool, const Image& photo, const RestoreOptions& options)
      : models_(models),
        pool_(pool),
        photo_(photo),
        options_(options),
        device_(models.gpen->device()),
        device_picture_(device_) {}

  Result<RestoreResult> whole_photo(const std::vector<Face>* given) {
    if (device_ != nullptr) (void)device_->finish();  // what an earlier photo left behind is no error of this one
    GPEN_RETURN_IF_ERROR(upscale());
    if (device_ != nullptr) GPEN_RETURN_IF_ERROR(device_picture_.upload(picture()));
    GPEN_RETURN_IF_ERROR(find_faces(given));
    if (device_ != nullptr) {
      if (!found_.faces.empty()) GPEN_RETURN_IF_ERROR(restore_faces_on_device());
      return finish();
    }
    PasteCanvas canvas(background_.width, background_.height);
    batch_ = faces_per_forward(*models_.gpen, static_cast<int64_t>(found_.faces.size()), options_.batch,
                               options_.memory_limit);
    for (size_t first = 0, count = 0; first < found_.faces.size(); first += count) {
      count = std::min(static_cast<size_t>(batch_), found_.faces.size() - first);
      std::vector<AlignedFace> faces = align(first, count);
      GPEN_RETURN_IF_ERROR(restore(first, &faces));
      for (size_t i = 0; i < count; ++i) {
        GPEN_RETURN_IF_ERROR(progress("paste", share(first + i)));
        GPEN_ASSIGN(const Plane mask, parse(first + i, faces[i]));
        paste(first + i, &faces[i], mask, &canvas);
      }
    }
    {
      const StageTimer timer(&result_.times, "paste");
      canvas.blend_into(&background_, pool_);
    }
    return finish();
  }

  // The picture is the face: it goes through the network as it is.
  Result<RestoreResult> aligned_face();

 private:
  Status progress(const char* stage, double fraction) const {
    if (options_.progress == nullptr || options_.progress(stage, fraction)) return Status();
    return fail(Code::cancelled, "cancelled");
  }
  double share(size_t done) const {
    return found_.faces.empty() ? 1 : static_cast<double>(done) / static_cast<double>(found_.faces.size());
  }
  int side() const { return models_.gpen->arch().out_size; }

  Status upscale();
  Result<Detections> detect(const DetectionOptions& options);
  Status restore_faces_on_device();
  Status find_faces(const std::vector<Face>* given);
  std::vector<AlignedFace> align(size_t first, size_t count);
  Status restore(size_t first, std::vector<AlignedFace>* faces);
  Result<Plane> parse(size_t index, const AlignedFace& face);
  void paste(size_t index, AlignedFace* face, const Plane& mask, PasteCanvas* canvas);
  Result<RestoreResult> finish();

  Image crop(const Alignment& alignment, int size) const;

  const Models& models_;
  ThreadPool& pool_;
  const Image& photo_;
  const RestoreOptions& options_;
  double scale_ = 1;    // of the background, relative to the photo
  Image enlargement_;   // the photo at that scale, plainly resized; empty when there is no upscaler
  Image background_;    // what the faces are pasted into
  Detections found_;    // on the enlargement
  int64_t batch_ = 1;   // faces in one forward()
  Plane default_mask_;  // made when first needed
  RestoreResult result_;
  const std::shared_ptr<Device> device_;  // where the faces are restored; null: here
  DeviceImage device_picture_;            // picture(), there

  const Image& picture() const { return enlargement_.empty() ? photo_ : enlargement_; }
};

Status Run::upscale() {
  if (models_.upscaler == nullptr) {
    background_ = photo_;
    return Status();
  }
  GPEN_RETURN_IF_ERROR(progress("upscale", 0));
  const StageTimer timer(&result_.times, "upscale");
  const int factor = models_.upscaler->arch().scale;
  UpscaleOptions options;
  options.tile = options_.tile_size;
  options.progress = [this](int done, int total) {
    return progress("upscale", static_cast<double>(done) / total).ok();
  };
  GPEN_ASSIGN(background_, upscale_background(*models_.upscaler, photo_, options, pool_));
  // A device has no more memory than it has: the faces need it now.
  if (models_.upscaler->device() != nullptr) models_.upscaler->release_memory();
  if (factor != 1) enlargement_ = enlarge(photo_, factor, pool_);
  scale_ = factor;
  return Status();
}

Status Run::find_faces(const std::vector<Face>* given) {
  GPEN_RETURN_IF_ERROR(progress("detect", 0));
  const StageTimer timer(&result_.times, "detect");
  DetectionOptions options = options_.detection;
  options.min_face *= scale_;
  if (given != nullptr) {
    for (const Face& f : *given) found_.faces.push_back(enlarged(f, scale_));
    filter_faces(&found_.faces, options);
  } else {
    GPEN_ASSIGN(found_, detect(options));
  }
  // Landmarks that no similarity fits (a false alarm of the detector) cannot be cropped, and given ones may belong to
  // another picture.
  std::vector<Face> usable;
  for (const Face& f : found_.faces) {
    Result<Alignment> alignment = align_face(f.landmarks, side());
    if (!alignment.ok()) {
      result_.notes.push_back("a face was left out: " + alignment.status().message());
      continue;
    }
    if (reach_of_crop(alignment->forward, side(), picture().width, picture().height).empty()) {
      result_.notes.push_back("a face was left out: it lies outside of the picture");
      continue;
    }
    usable.push_back(f);
    FaceReport report;
    report.face = enlarged(f, 1 / scale_);
    report.alignment = *alignment;
    result_.faces.push_back(report);
  }
  found_.faces = std::move(usable);
  if (found_.faces.empty()) result_.notes.push_back("no face found");
  return Status();
}

Result<Detections> Run::detect(const DetectionOptions& options) {
  const bool here = device_ == nullptr || models_.detector->device() != device_;
  if (here || !options.as_it_stands())  // pictures are turned on the processor
    return detect_faces(*models_.detector, picture(), options, pool_);
  GPEN_RETURN_IF_ERROR(check(options));
  const double scale = detection_scale(picture().width, picture().height, options);
  GPEN_ASSIGN(const DeviceDetectorInput input, prepare_detector_input(device_picture_, scale));
  TensorView view = make_view(input.data.floats(), 1, 3, input.height, input.width);
  view.on_device = true;
  return detect_faces(*models_.detector, view, scale, options);
}

Status Run::restore_faces_on_device() {
  DeviceImage background(device_);
  GPEN_RETURN_IF_ERROR(background.set_size(background_.width, background_.height));
  if (models_.upscaler == nullptr)  // the photo itself
    device_->copy(background.data(), device_picture_.data(), device_picture_.elements());
  else
    GPEN_RETURN_IF_ERROR(background.upload(background_));
  const DeviceFaces faces{models_,  pool_,
                          options_, found_.faces,
                          scale_,   [this](const char* stage, double fraction) { return progress(stage, fraction); }};
  GPEN_RETURN_IF_ERROR(restore_on_device(faces, device_picture_, &background, &result_));
  return background.download(&background_);
}

Image Run::crop(const Alignment& alignment, int size) const {
  Image out(size, size);
  warp_affine(view(picture()), alignment.inverse, view(out), pool_);
  if (options_.task == Task::inpaint) mark_holes(picture(), alignment.inverse, &out, pool_);
  return out;
}

std::vector<AlignedFace> Run::align(size_t first, size_t count) {
  const StageTimer timer(&result_.times, "align");
  const int in_side = models_.gpen->arch().in_size;
  std::vector<AlignedFace> faces(count);
  for (size_t i = 0; i < count; ++i) {
    const Alignment& out = result_.faces[first + i].alignment;
    faces[i].original = crop(out, side());
    // found_ holds only faces that can be aligned.
    const Alignment in = in_side == side() ? out : align_face(found_.faces[first + i].landmarks, in_side).value();
    faces[i].input = in_side == side() ? faces[i].original : crop(in, in_side);
    faces[i].photo_scale = in.inverse.scale() / scale_;
  }
  return faces;
}

Status Run::restore(size_t first, std::vector<AlignedFace>* faces) {
  GPEN_RETURN_IF_ERROR(progress("restore", share(first)));
  const FaceBatchOptions options{options_.task, options_.lambda_id, options_.seed};
  const auto spent = [this](const char* stage, double ms) { StageTimer::add(&result_.times, stage, ms); };
  GPEN_ASSIGN(const int64_t at_once, restore_faces(*models_.gpen, options, pool_, faces, spent));
  if (at_once < static_cast<int64_t>(faces->size())) {
    result_.notes.push_back(
        concat("there was no memory for ", faces->size(), " faces at once: ", at_once, " at a time"));
    batch_ = at_once;
  }
  for (size_t i = 0; i < faces->size(); ++i) {
    FaceReport& report = result_.faces[first + i];
    report.degradation = (*faces)[i].degradation;
    report.has_degradation = (*faces)[i].has_degradation;
    if (!options_.keep_crops) continue;
    result_.crops.push_back((*faces)[i].original);
    result_.restored.push_back((*faces)[i].restored);
  }
  return Status();
}

// The mask of one face, at its side. The parser sees the restored face.
Result<Plane> Run::parse(size_t index, const AlignedFace& face) {
  const StageTimer timer(&result_.times, models_.parser == nullptr ? "paste" : "parse");
  if (models_.parser == nullptr) {
    if (default_mask_.data.empty()) default_mask_ = default_mask(side(), pool_);
    return default_mask_;
  }
  const ParseNetArch& arch = models_.parser->arch();
  const int64_t plane = int64_t{arch.size} * arch.size;
  std::vector<float> resized(static_cast<size_t>(3 * plane)), input(resized.size());
  std::vector<float> logits(static_cast<size_t>(arch.classes * plane));
  resize_bilinear(view(face.restored), Pixels<float>{resized.data(), arch.size, arch.size, 3}, pool_);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < plane; ++i)
      input[static_cast<size_t>(c * plane + i)] = (resized[static_cast<size_t>(3 * i + c)] / 255.0f - 0.5f) / 0.5f;
  GPEN_RETURN_IF_ERROR(models_.parser->forward(make_view(input.data(), 1, 3, arch.size, arch.size),
                                               make_view(logits.data(), 1, arch.classes, arch.size, arch.size),
                                               TensorView()));
  result_.faces[index].parsed = true;
  return parsed_mask(logits.data(), arch.classes, arch.size, side(), pool_);
}

void Run::paste(size_t index, AlignedFace* face, const Plane& mask, PasteCanvas* canvas) {
  const StageTimer timer(&result_.times, "paste");
  FaceReport& report = result_.faces[index];
  Image& restored = face->restored;
  if (found_.faces[index].box.smaller_side() < kSmallFace) {
    Image smooth(side(), side());
    smooth_121(view(std::as_const(restored)), view(smooth), pool_);
    std::swap(restored, smooth);
    report.smoothed = true;
  }
  blend(restored.rgb, face->original.rgb, options_.alpha, restored.rgb);
  canvas->add(view(std::as_const(restored)), mask, report.alignment.forward, pool_);
}

Result<RestoreResult> Run::aligned_face() {
  const GpenArch& arch = models_.gpen->arch();
  const int width = photo_.width, height = photo_.height;
  std::vector<AlignedFace> faces(1);
  AlignedFace& face = faces[0];
  {
    const StageTimer timer(&result_.times, "align");
    face.input = to_square(options_.task, photo_, arch.in_size, pool_);
    face.original = arch.out_size == arch.in_size ? face.input : to_square(options_.task, photo_, arch.out_size, pool_);
    face.photo_scale = static_cast<double>(std::max(width, height)) / arch.in_size;
  }
  // The report's one face: the picture itself.
  FaceReport report;
  const Rect at = placed_in_square(width, height, arch.out_size);
  const double sx = static_cast<double>(at.x1 - at.x0) / width, sy = static_cast<double>(at.y1 - at.y0) / height;
  report.alignment.forward.m[0] = {sx, 0, at.x0 + 0.5 * sx - 0.5};
  report.alignment.forward.m[1] = {0, sy, at.y0 + 0.5 * sy - 0.5};
  report.alignment.inverse = inverse(report.alignment.forward);
  report.face.box = {0, 0, static_cast<double>(width), static_cast<double>(height)};
  report.face.landmarks = reference_landmarks(arch.out_size);
  for (Point& p : report.face.landmarks) p = report.alignment.inverse(p);
  result_.faces.push_back(report);

  GPEN_RETURN_IF_ERROR(restore(0, &faces));
  blend(face.restored.rgb, face.original.rgb, options_.alpha, face.restored.rgb);
  background_ = from_square(face.restored, width, height);
  scale_ = static_cast<double>(arch.out_size) / std::max(width, height);
  if (!photo_.alpha.empty())
    background_.alpha = resize_bilinear(photo_, background_.width, background_.height, pool_).alpha;
  return finish();
}

Result<RestoreResult> Run::finish() {
  if (options_.draw_boxes) {
    std::vector<Face> faces;
    for (const FaceReport& r : result_.faces) faces.push_back(r.face);
    draw_faces(&background_, faces, scale_);
  }
  inherit_file(photo_, &background_);
  if (options_.compare) result_.comparison = side_by_side(photo_, background_, pool_);
  const auto colours = colours_of(photo_.metadata);
  result_.comparison.metadata = colours;
  for (std::vector<Image>* faces : {&result_.crops, &result_.restored})
    for (Image& face : *faces) face.metadata = colours;
  if (photo_.deep != nullptr && background_.deep == nullptr)
    result_.notes.push_back("the picture's 16 bits per channel were reduced to 8: all of it was computed anew");
  result_.image = std::move(background_);
  GPEN_RETURN_IF_ERROR(progress("paste", 1));
  return std::move(result_);
}

}  // namespace

Status check(const RestoreOptions& o) {
  if (!(o.lambda_id >= 0 && o.lambda_id <= 1))
    return fail(Code::usage, "lambda-id must be between 0 and 1, not ", o.lambda_id);
  if (!(o.alpha >= 0 && o.alpha <= 1)) return fail(Code::usage, "alpha must be between 0 and 1, not ", o.alpha);
  if (o.tile_size < 0) return fail(Code::usage, "the tile size must not be negative");
  if (o.batch < 0) return fail(Code::usage, "the batch must not be negative");
  if (traits(o.task).labels && !o.aligned)
    return fail(Code::usage, "the task ", traits(o.task).name, " takes aligned pictures: no face is found in labels");
  return check(o.detection);
}

Restorer::Restorer(Models models, std::shared_ptr<ThreadPool> pool)
    : models_(std::move(models)), pool_(std::move(pool)) {}

Result<RestoreResult> Restorer::restore(const Image& photo, const RestoreOptions& options,
                                        const std::vector<Face>* given) {
  GPEN_RETURN_IF_ERROR(check(options));
  if (photo.empty()) return fail(Code::usage, "the photo has no pixels");
  if (models_.gpen == nullptr) return fail(Code::usage, "there is no network to restore faces with");
  Run run(models_, *pool_, photo, options);
  if (options.aligned) return run.aligned_face();
  if (models_.detector == nullptr && given == nullptr)
    return fail(Code::usage, "without a detector the faces must be given, or the picture be an aligned face");
  return run.whole_photo(given);
}

}  // namespace gpen
