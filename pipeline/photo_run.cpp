#include "pipeline/photo_run.h"

#include <algorithm>
#include <utility>

#include "pipeline/aligned_face.h"
#include "pipeline/device_background.h"
#include "pipeline/drawing.h"
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

}  // namespace

Status PhotoRun::prepare(const std::vector<Face>* given, const StepProgress& progress) {
  if (options_.aligned) {
    result_.faces.push_back(report_of_aligned_face(models_.gpen->arch(), photo_));
    return Status();
  }
  GPEN_RETURN_IF_ERROR(upscale(progress));
  GPEN_RETURN_IF_ERROR(progress("detect", 0));
  return find_faces(given);
}

Status PhotoRun::upscale(const StepProgress& progress) {
  if (models_.upscaler == nullptr) {
    background_ = photo_;
    return device_ != nullptr ? device_picture_.upload(photo_) : Status();
  }
  GPEN_RETURN_IF_ERROR(progress("upscale", 0));
  const StageTimer timer(&result_.times, "upscale", device_.get());
  const int factor = models_.upscaler->arch().scale;
  scale_ = factor;
  UpscaleOptions options;
  options.tile = options_.tile_size;
  options.progress = [&progress](int done, int total) {
    return progress("upscale", static_cast<double>(done) / total).ok();
  };
  if (device_ != nullptr) return upscale_on_device(options);
  GPEN_ASSIGN(background_, upscale_background(*models_.upscaler, photo_, options, pool_));
  if (factor != 1) enlargement_ = enlarge(photo_, factor, pool_);
  return Status();
}

// The photo goes up, and nothing comes down.
Status PhotoRun::upscale_on_device(const UpscaleOptions& options) {
  const int factor = models_.upscaler->arch().scale;
  DeviceImage photo(device_);
  GPEN_RETURN_IF_ERROR(photo.upload(photo_));
  GPEN_RETURN_IF_ERROR(upscale_background(*models_.upscaler, photo, options, &device_background_));
  models_.upscaler->release_memory();  // A device has no more than it has, and the faces need it now.
  background_ = enlarged_without_pixels(photo_, factor, pool_);
  if (factor != 1) return enlarge(photo, factor, &device_picture_);
  device_picture_ = std::move(photo);
  return Status();
}

Status PhotoRun::find_faces(const std::vector<Face>* given) {
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
    if (reach_of_crop(alignment->forward, side(), background_.width, background_.height).empty()) {
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

Result<Detections> PhotoRun::detect(const DetectionOptions& options) {
  const bool here = device_ == nullptr || models_.detector->device() != device_;
  if (here || !options.as_it_stands()) {  // pictures are turned on the processor
    if (device_ != nullptr && scale_ != 1) enlargement_ = enlarge(photo_, models_.upscaler->arch().scale, pool_);
    return detect_faces(*models_.detector, picture(), options, pool_);
  }
  GPEN_RETURN_IF_ERROR(check(options));
  const double scale = detection_scale(background_.width, background_.height, options);
  GPEN_ASSIGN(const DeviceDetectorInput input, prepare_detector_input(device_picture_, scale));
  TensorView view = make_view(input.data.floats(), 1, 3, input.height, input.width);
  view.on_device = true;
  return detect_faces(*models_.detector, view, scale, options);
}

Image PhotoRun::crop(const Alignment& alignment, int size) const {
  Image out(size, size);
  warp_affine(view(picture()), alignment.inverse, view(out), pool_);
  if (options_.task == Task::inpaint) mark_holes(picture(), alignment.inverse, &out, pool_);
  return out;
}

AlignedFace PhotoRun::align(size_t index) {
  const StageTimer timer(&result_.times, "align");
  if (options_.aligned) return align_picture(models_.gpen->arch(), photo_, options_.task, pool_);
  const int in_side = models_.gpen->arch().in_size;
  const Alignment& out = result_.faces[index].alignment;
  AlignedFace face;
  face.original = crop(out, side());
  // found_ holds only faces that can be aligned.
  const Alignment in = in_side == side() ? out : align_face(found_.faces[index].landmarks, in_side).value();
  face.input = in_side == side() ? face.original : crop(in, in_side);
  face.photo_scale = in.inverse.scale() / scale_;
  return face;
}

// The mask of one face, at its side, by the parser, which sees the restored face.
Result<Plane> PhotoRun::parse(size_t index, const AlignedFace& face) {
  const StageTimer timer(&result_.times, "parse");
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

void PhotoRun::paste(size_t index, AlignedFace* face, const Plane& mask) {
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
  if (!canvas_.has_value()) canvas_.emplace(background_.width, background_.height);
  canvas_->add(view(std::as_const(restored)), mask, report.alignment.forward, pool_);
}

Status PhotoRun::take(size_t index, AlignedFace* face) {
  FaceReport& report = result_.faces[index];
  report.degradation = face->degradation;
  report.has_degradation = face->has_degradation;
  if (options_.keep_crops) {
    result_.crops.push_back(face->original);
    result_.restored.push_back(face->restored);
  }
  if (options_.aligned) {
    background_ = picture_of_aligned_face(face, photo_, options_.alpha, pool_);
    scale_ = scale_of_aligned_face(models_.gpen->arch(), photo_);
    return Status();
  }
  if (models_.parser != nullptr) {
    GPEN_ASSIGN(const Plane mask, parse(index, *face));
    paste(index, face, mask);
    return Status();
  }
  if (default_mask_->data.empty()) {
    const StageTimer timer(&result_.times, "paste");
    *default_mask_ = default_mask(side(), pool_);
  }
  paste(index, face, *default_mask_);
  return Status();
}

Result<DevicePhoto> PhotoRun::on_device() {
  if (options_.aligned) {
    aligned_ = align(0);
    return DevicePhoto{{}, 1, nullptr, nullptr, &result_, &*aligned_, Status()};
  }
  if (models_.upscaler == nullptr) {  // the photo itself
    GPEN_RETURN_IF_ERROR(device_background_.set_size(background_.width, background_.height));
    device_->copy(device_background_.data(), device_picture_.data(), device_picture_.elements());
  }
  return DevicePhoto{found_.faces, scale_, &device_picture_, &device_background_, &result_, nullptr, Status()};
}

void PhotoRun::spent(const char* stage, double ms) { StageTimer::add(&result_.times, stage, ms); }

Result<RestoreResult> PhotoRun::finish() {
  if (aligned_.has_value()) GPEN_RETURN_IF_ERROR(take(0, &*aligned_));
  if (device_background_.width() > 0) GPEN_RETURN_IF_ERROR(device_background_.download(&background_));
  if (canvas_.has_value()) {
    const StageTimer timer(&result_.times, "paste");
    canvas_->blend_into(&background_, pool_);
  }
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
  return std::move(result_);
}

}  // namespace gpen
