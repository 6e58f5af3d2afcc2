#include "pipeline/device_faces.h"

#include <algorithm>
#include <optional>

#include "pipeline/device_consistency.h"
#include "pipeline/face_batch.h"
#include "pipeline/paste.h"
#include "pipeline/stage_timer.h"

namespace gpen {

namespace {

size_t planar_floats(int side) { return size_t{3} * static_cast<size_t>(side) * static_cast<size_t>(side); }

struct FacePictures {
  DeviceImage original, restored;  // at the network's output side
  explicit FacePictures(const std::shared_ptr<Device>& device) : original(device), restored(device) {}
};

// Memory is kept from batch to batch: to allocate is to wait for the device.
Status reserve(const std::shared_ptr<Device>& device, size_t bytes, DeviceBuffer* buffer) {
  if (bytes <= buffer->bytes()) return Status();
  *buffer = DeviceBuffer();  // first, so that both need not fit
  GPEN_ASSIGN(*buffer, DeviceBuffer::make(device, bytes));
  return Status();
}

class Work {
 public:
  Work(const DeviceFaces& faces, const DeviceImage& picture, RestoreResult* result)
      : faces_(faces),
        picture_(picture),
        result_(*result),
        device_(picture.device()),
        in_side_(faces.models.gpen->arch().in_size),
        side_(faces.models.gpen->arch().out_size),
        scratch_(device_),
        mask_(device_),
        small_(device_),
        smooth_(device_) {}

  Status run(DeviceImage* background) {
    GPEN_ASSIGN(DevicePasteCanvas canvas, DevicePasteCanvas::make(device_, background->width(), background->height()));
    // A device has its memory for this, and is the faster the more faces it has at once.
    const size_t limit = std::max(faces_.options.memory_limit, device_->free_bytes() / 2);
    size_t batch = static_cast<size_t>(
        faces_per_forward(*faces_.models.gpen, static_cast<int64_t>(faces_.found.size()), faces_.options.batch, limit));
    for (size_t first = 0; first < faces_.found.size();) {
      const size_t count = std::min(batch, faces_.found.size() - first);
      const Status status = batch_of(first, count, &canvas);
      if (status.code() == Code::memory && count > 1) {
        batch = count / 2;
        pictures_.clear();
        input_ = DeviceBuffer();
        output_ = DeviceBuffer();
        if (faces_.options.keep_crops) {  // those of this batch come again
          result_.crops.resize(first);
          result_.restored.resize(first);
        }
        result_.notes.push_back(concat("there was no memory for ", count, " faces at once: ", batch, " at a time"));
        continue;
      }
      GPEN_RETURN_IF_ERROR(status);
      first += count;
    }
    const StageTimer timer(&result_.times, "paste", device_.get());
    canvas.blend_into(background);
    return device_->finish();
  }

 private:
  // Can be tried again after an error: a face that is pasted twice changes nothing.
  Status batch_of(size_t first, size_t count, DevicePasteCanvas* canvas) {
    while (pictures_.size() < count) pictures_.emplace_back(device_);
    GPEN_RETURN_IF_ERROR(reserve(device_, count * planar_floats(in_side_) * sizeof(float), &input_));
    GPEN_RETURN_IF_ERROR(reserve(device_, count * planar_floats(side_) * sizeof(float), &output_));
    for (size_t i = 0; i < count; ++i)
      GPEN_RETURN_IF_ERROR(align(first + i, input_.floats() + i * planar_floats(in_side_), &pictures_[i]));
    GPEN_RETURN_IF_ERROR(faces_.progress("restore", share(first)));
    GPEN_RETURN_IF_ERROR(restore(first, count));
    for (size_t i = 0; i < count; ++i) {
      GPEN_RETURN_IF_ERROR(faces_.progress("paste", share(first + i)));
      GPEN_RETURN_IF_ERROR(parse(first + i, pictures_[i].restored));
      GPEN_RETURN_IF_ERROR(paste(first + i, &pictures_[i], canvas));
    }
    return device_->finish();
  }

  double share(size_t done) const { return static_cast<double>(done) / static_cast<double>(faces_.found.size()); }
  const Alignment& alignment(size_t index) const { return result_.faces[index].alignment; }

  Status align(size_t index, float* planar, FacePictures* pictures) {
    const StageTimer timer(&result_.times, "align", device_.get());
    GPEN_RETURN_IF_ERROR(pictures->restored.set_size(side_, side_));
    GPEN_RETURN_IF_ERROR(crop(alignment(index), side_, &pictures->original));
    if (in_side_ == side_) {
      task_input(faces_.options.task, pictures->original, planar);
      return Status();
    }
    GPEN_ASSIGN(const Alignment in, align_face(faces_.found[index].landmarks, in_side_));
    GPEN_RETURN_IF_ERROR(crop(in, in_side_, &small_));
    task_input(faces_.options.task, small_, planar);
    return Status();
  }

  Status crop(const Alignment& alignment, int size, DeviceImage* out) {
    GPEN_RETURN_IF_ERROR(out->set_size(size, size));
    warp_affine(picture_, alignment.inverse, out);
    if (faces_.options.task == Task::inpaint) mark_holes(picture_, alignment.inverse, out);
    return Status();
  }

  Status restore(size_t first, size_t count) {
    const auto n = static_cast<int64_t>(count);
    float* const input = input_.floats();
    float* const output = output_.floats();
    {
      const StageTimer timer(&result_.times, "restore", device_.get());
      TensorView in = make_view(input, n, 3, in_side_, in_side_), out = make_view(output, n, 3, side_, side_);
      in.on_device = out.on_device = true;
      GPEN_RETURN_IF_ERROR(faces_.models.gpen->forward(in, out, faces_.options.seed));
      GPEN_ASSIGN(const bool finite, all_finite(device_, output, n * static_cast<int64_t>(planar_floats(side_))));
      if (!finite)
        return fail(Code::model, "the network answers with values that are not finite: its weights are damaged");
    }
    if (traits(faces_.options.task).consistency && faces_.options.lambda_id > 0)
      GPEN_RETURN_IF_ERROR(make_consistent(first, n, input, output));
    for (size_t i = 0; i < count; ++i) {
      FacePictures& p = pictures_[i];
      task_output(faces_.options.task, output + i * planar_floats(side_), &p.restored);
      GPEN_RETURN_IF_ERROR(finish_task(faces_.options.task, p.original, faces_.options.lambda_id, &p.restored));
      if (!faces_.options.keep_crops) continue;
      GPEN_RETURN_IF_ERROR(p.original.download(&result_.crops.emplace_back()));
      GPEN_RETURN_IF_ERROR(p.restored.download(&result_.restored.emplace_back()));
    }
    return Status();
  }

  // The degradation is estimated on the processor, from the network's input; the answer stays on the device.
  Status make_consistent(size_t first, int64_t n, const float* input, float* output) {
    const StageTimer timer(&result_.times, "consistency", device_.get());
    if (!consistency_.has_value()) {
      GPEN_ASSIGN(consistency_, DeviceConsistency::make(device_, in_side_, side_));
    }
    std::vector<float> in(planar_floats(in_side_));
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      FaceReport& report = result_.faces[first + i];
      device_->download(in.data(), input + i * in.size(), in.size() * sizeof(float));
      GPEN_RETURN_IF_ERROR(device_->finish());
      double pixel = alignment(first + i).inverse.scale();
      if (in_side_ != side_) {
        GPEN_ASSIGN(const Alignment at, align_face(faces_.found[first + i].landmarks, in_side_));
        pixel = at.inverse.scale();
      }
      GPEN_ASSIGN(report.degradation,
                  estimate_degradation(in.data(), in_side_, pixel / faces_.photo_scale, faces_.pool));
      report.has_degradation = true;
      GPEN_RETURN_IF_ERROR(consistency_->enforce(input + i * in.size(), output + i * planar_floats(side_),
                                                 faces_.options.lambda_id, report.degradation));
    }
    return Status();
  }

  // mask_ for this face; the parser sees the restored face.
  Status parse(size_t index, const DeviceImage& restored) {
    ParseNet* const parser = faces_.models.parser.get();
    const StageTimer timer(&result_.times, parser == nullptr ? "paste" : "parse", device_.get());
    if (parser == nullptr) return mask_.width() > 0 ? Status() : default_mask(side_, faces_.pool, &mask_);
    const int side = parser->arch().size;
    const auto classes = static_cast<int64_t>(parser->arch().classes);
    if (parser_input_.bytes() == 0) {
      GPEN_ASSIGN(parser_input_, DeviceBuffer::make(device_, planar_floats(side) * sizeof(float)));
      GPEN_ASSIGN(logits_,
                  DeviceBuffer::make(device_, planar_floats(side) / 3 * static_cast<size_t>(classes) * sizeof(float)));
    }
    parser_input(restored, side, parser_input_.floats());
    TensorView in = make_view(parser_input_.floats(), 1, 3, side, side);
    TensorView out = make_view(logits_.floats(), 1, classes, side, side);
    in.on_device = out.on_device = true;
    GPEN_RETURN_IF_ERROR(parser->forward(in, out, TensorView()));
    result_.faces[index].parsed = true;
    return parsed_mask(logits_.floats(), static_cast<int>(classes), side, side_, &scratch_, &mask_);
  }

  Status paste(size_t index, FacePictures* p, DevicePasteCanvas* canvas) {
    const StageTimer timer(&result_.times, "paste", device_.get());
    FaceReport& report = result_.faces[index];
    if (faces_.found[index].box.smaller_side() < kSmallFace) {
      GPEN_RETURN_IF_ERROR(smooth_.set_size(side_, side_));
      smooth_121(p->restored, &smooth_);
      std::swap(p->restored, smooth_);
      report.smoothed = true;
    }
    blend(p->restored, p->original, faces_.options.alpha, &p->restored);
    canvas->add(p->restored, mask_, report.alignment.forward);
    return Status();
  }

  const DeviceFaces& faces_;
  const DeviceImage& picture_;
  RestoreResult& result_;
  const std::shared_ptr<Device>& device_;
  const int in_side_, side_;
  DeviceMaskScratch scratch_;
  DevicePlane mask_;
  DeviceImage small_, smooth_;
  std::vector<FacePictures> pictures_;
  DeviceBuffer input_, output_;
  DeviceBuffer parser_input_, logits_;
  std::optional<DeviceConsistency> consistency_;
};

}  // namespace

Status restore_on_device(const DeviceFaces& faces, const DeviceImage& picture, DeviceImage* background,
                         RestoreResult* result) {
  const ParseNet* const parser = faces.models.parser.get();
  if (parser != nullptr && parser->device() != picture.device())
    return fail(Code::internal, "the face parser is not on the device of the faces");
  return Work(faces, picture, result).run(background);
}

}  // namespace gpen
