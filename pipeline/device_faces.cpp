#include "pipeline/device_faces.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "pipeline/device_consistency.h"
#include "pipeline/device_degradation.h"
#include "pipeline/face_batch.h"
#include "pipeline/paste.h"
#include "pipeline/stage_timer.h"

namespace gpen {

namespace {

using Clock = std::chrono::steady_clock;

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

// Memory of one batch, and what the batches have in common.
class Work {
 public:
  Work(const DeviceFaces& faces, std::span<DevicePhoto> photos, const std::shared_ptr<Device>& device)
      : faces_(faces),
        photos_(photos),
        device_(device),
        in_side_(faces.models.gpen->arch().in_size),
        side_(faces.models.gpen->arch().out_size),
        scratch_(device_),
        mask_(device_),
        small_(device_),
        smooth_(device_) {}

  Status run() {
    for (DevicePhoto& photo : photos_) open(&photo);
    // A device has its memory for this, and is the faster the more faces it has at once. What earlier photos left to
    // the network counts as free.
    const size_t free = device_->free_bytes() + faces_.models.gpen->held_bytes();
    const size_t limit = std::max(faces_.options.memory_limit, free / 2);
    size_t most = static_cast<size_t>(
        faces_per_forward(*faces_.models.gpen, static_cast<int64_t>(slots_.size()), faces_.options.batch, limit));
    for (std::span<Slot> batch = next_batch(most); !batch.empty(); batch = next_batch(most)) {
      const Status status = batch_of(batch);
      if (status.code() == Code::cancelled) return status;
      if (status.code() == Code::memory && batch.size() > 1) {
        most = batch.size() / 2;
        give_back(batch);
        continue;
      }
      if (!status.ok()) GPEN_RETURN_IF_ERROR(blame(batch, status));
      done_ += batch.size();
    }
    for (size_t i = 0; i < photos_.size(); ++i)
      if (photos_[i].aligned == nullptr) close(&photos_[i], &canvases_[i]);
    return Status();
  }

 private:
  // One face.
  struct Slot {
    size_t photo;
    size_t index;  // in its photo
  };

  void open(DevicePhoto* photo) {
    if (photo->aligned != nullptr) {
      canvases_.emplace_back();
      return slots_.push_back({canvases_.size() - 1, 0});
    }
    Result<DevicePasteCanvas> canvas =
        DevicePasteCanvas::make(device_, photo->background->width(), photo->background->height());
    photo->status = canvas.status();
    canvases_.emplace_back();
    if (canvas.ok()) canvases_.back() = std::move(canvas).value();
    for (size_t i = 0; photo->status.ok() && i < photo->found.size(); ++i) slots_.push_back({canvases_.size() - 1, i});
  }

  void close(DevicePhoto* photo, std::optional<DevicePasteCanvas>* canvas) {
    if (!photo->status.ok()) return;
    const StageTimer timer(&photo->result->times, "paste", device_.get());
    (*canvas)->blend_into(photo->background);
    photo->status = device_->finish();
    canvas->reset();
  }

  // The next faces whose photos have no error; the others' are dropped.
  std::span<Slot> next_batch(size_t most) {
    const auto rest = slots_.begin() + static_cast<std::ptrdiff_t>(done_);
    slots_.erase(std::remove_if(rest, slots_.end(), [&](const Slot& s) { return !photos_[s.photo].status.ok(); }),
                 slots_.end());
    return std::span(slots_).subspan(done_, std::min(most, slots_.size() - done_));
  }

  // The batch will be tried again in smaller ones.
  void give_back(std::span<const Slot> batch) {
    faces_.models.gpen->release_memory();
    pictures_.clear();
    input_ = DeviceBuffer();
    output_ = DeviceBuffer();
    forget(batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i == 0 || batch[i].photo != batch[i - 1].photo)
        result(batch[i]).notes.push_back(
            concat("there was no memory for ", batch.size(), " faces at once: ", batch.size() / 2, " at a time"));
    }
  }
  void forget(std::span<const Slot> batch) {
    for (const Slot& slot : batch) {
      RestoreResult& r = result(slot);
      r.crops.resize(std::min(r.crops.size(), slot.index));
      r.restored.resize(std::min(r.restored.size(), slot.index));
    }
  }

  // Which of the batch's photos the error belongs to: each tries its faces without the others.
  Status blame(std::span<Slot> batch, const Status& status) {
    if (batch.front().photo == batch.back().photo) {
      photos_[batch.front().photo].status = status;
      return Status();
    }
    forget(batch);
    while (!batch.empty()) {
      const size_t photo = batch.front().photo;
      const auto end = std::find_if(batch.begin(), batch.end(), [&](const Slot& s) { return s.photo != photo; });
      const auto count = static_cast<size_t>(end - batch.begin());
      photos_[photo].status = batch_of(batch.first(count));
      if (photos_[photo].status.code() == Code::cancelled) return photos_[photo].status;
      batch = batch.subspan(count);
    }
    return Status();
  }

  // Can be tried again after an error: a face that is pasted twice changes nothing.
  Status batch_of(std::span<const Slot> batch) {
    while (pictures_.size() < batch.size()) pictures_.emplace_back(device_);
    GPEN_RETURN_IF_ERROR(reserve(device_, batch.size() * planar_floats(in_side_) * sizeof(float), &input_));
    GPEN_RETURN_IF_ERROR(reserve(device_, batch.size() * planar_floats(side_) * sizeof(float), &output_));
    for (size_t i = 0; i < batch.size(); ++i)
      GPEN_RETURN_IF_ERROR(align(batch[i], input_.floats() + i * planar_floats(in_side_), &pictures_[i]));
    GPEN_RETURN_IF_ERROR(faces_.progress("restore", share(0)));
    GPEN_RETURN_IF_ERROR(restore(batch));
    for (size_t i = 0; i < batch.size(); ++i) {
      GPEN_RETURN_IF_ERROR(faces_.progress("paste", share(i)));
      if (photo(batch[i]).aligned != nullptr) {
        GPEN_RETURN_IF_ERROR(bring_down(batch[i], pictures_[i]));
        continue;
      }
      GPEN_RETURN_IF_ERROR(parse(batch[i], pictures_[i].restored));
      GPEN_RETURN_IF_ERROR(paste(batch[i], &pictures_[i]));
    }
    return device_->finish();
  }

  double share(size_t more) const { return static_cast<double>(done_ + more) / static_cast<double>(slots_.size()); }
  const DevicePhoto& photo(const Slot& slot) const { return photos_[slot.photo]; }
  RestoreResult& result(const Slot& slot) const { return *photos_[slot.photo].result; }
  FaceReport& report(const Slot& slot) const { return result(slot).faces[slot.index]; }

  // The time since `start` belongs to every photo of the batch by its faces.
  void share_time(std::span<const Slot> batch, const char* stage, Clock::time_point start) {
    device_->wait();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    for (const Slot& slot : batch) StageTimer::add(&result(slot).times, stage, ms / static_cast<double>(batch.size()));
  }

  Status align(const Slot& slot, float* planar, FacePictures* pictures) {
    const StageTimer timer(&result(slot).times, "align", device_.get());
    GPEN_RETURN_IF_ERROR(pictures->restored.set_size(side_, side_));
    if (const AlignedFace* const face = photo(slot).aligned; face != nullptr) {
      GPEN_RETURN_IF_ERROR(pictures->original.upload(face->original));
      if (in_side_ != side_) GPEN_RETURN_IF_ERROR(small_.upload(face->input));
      task_input(faces_.options.task, in_side_ == side_ ? pictures->original : small_, planar);
      return Status();
    }
    GPEN_RETURN_IF_ERROR(crop(*photo(slot).picture, report(slot).alignment, side_, &pictures->original));
    if (in_side_ == side_) {
      task_input(faces_.options.task, pictures->original, planar);
      return Status();
    }
    GPEN_ASSIGN(const Alignment in, align_face(photo(slot).found[slot.index].landmarks, in_side_));
    GPEN_RETURN_IF_ERROR(crop(*photo(slot).picture, in, in_side_, &small_));
    task_input(faces_.options.task, small_, planar);
    return Status();
  }

  Status crop(const DeviceImage& picture, const Alignment& alignment, int size, DeviceImage* out) {
    GPEN_RETURN_IF_ERROR(out->set_size(size, size));
    warp_affine(picture, alignment.inverse, out);
    if (faces_.options.task == Task::inpaint) mark_holes(picture, alignment.inverse, out);
    return Status();
  }

  Status restore(std::span<const Slot> batch) {
    const auto n = static_cast<int64_t>(batch.size());
    float* const input = input_.floats();
    float* const output = output_.floats();
    const Clock::time_point start = Clock::now();
    TensorView in = make_view(input, n, 3, in_side_, in_side_), out = make_view(output, n, 3, side_, side_);
    in.on_device = out.on_device = true;
    GPEN_RETURN_IF_ERROR(faces_.models.gpen->forward(in, out, faces_.options.seed));
    GPEN_ASSIGN(const bool finite, all_finite(device_, output, n * static_cast<int64_t>(planar_floats(side_))));
    if (!finite)
      return fail(Code::model, "the network answers with values that are not finite: its weights are damaged");
    share_time(batch, "restore", start);
    if (traits(faces_.options.task).consistency && faces_.options.lambda_id > 0)
      GPEN_RETURN_IF_ERROR(make_consistent(batch, input, output));
    for (size_t i = 0; i < batch.size(); ++i) {
      FacePictures& p = pictures_[i];
      task_output(faces_.options.task, output + i * planar_floats(side_), &p.restored);
      GPEN_RETURN_IF_ERROR(finish_task(faces_.options.task, p.original, faces_.options.lambda_id, &p.restored));
      if (!faces_.options.keep_crops || photo(batch[i]).aligned != nullptr) continue;
      GPEN_RETURN_IF_ERROR(p.original.download(&result(batch[i]).crops.emplace_back()));
      GPEN_RETURN_IF_ERROR(p.restored.download(&result(batch[i]).restored.emplace_back()));
    }
    return Status();
  }

  // Pixels are measured and corrected on the device; what follows from the measures is the processor's.
  Status make_consistent(std::span<const Slot> batch, const float* input, float* output) {
    const Clock::time_point start = Clock::now();
    if (!consistency_.has_value()) {
      GPEN_ASSIGN(degradation_, DeviceDegradation::make(device_, in_side_));
      GPEN_ASSIGN(consistency_, DeviceConsistency::make(device_, in_side_, side_));
    }
    GPEN_RETURN_IF_ERROR(degradation_->reserve(batch.size()));
    std::vector<double> scales;
    for (size_t i = 0; i < batch.size(); ++i) {
      GPEN_ASSIGN(const double scale, photo_scale(batch[i]));
      scales.push_back(scale);
      GPEN_RETURN_IF_ERROR(degradation_->measure(i, input + i * planar_floats(in_side_), scale));
    }
    GPEN_ASSIGN(const std::vector<DegradationMeasures> measures, degradation_->read(batch.size()));
    std::vector<ConsistencyBand> bands(batch.size());
    faces_.pool.parallel_for(static_cast<int64_t>(batch.size()), [&](int64_t item, int) {
      const auto i = static_cast<size_t>(item);
      FaceReport& face = report(batch[i]);
      face.degradation = fit_degradation(measures[i], in_side_, scales[i]);
      face.has_degradation = true;
      bands[i] = make_band(face.degradation, in_side_, side_);
    });
    GPEN_RETURN_IF_ERROR(consistency_->prepare(std::move(bands)));
    for (size_t i = 0; i < batch.size(); ++i)
      GPEN_RETURN_IF_ERROR(consistency_->enforce(i, input + i * planar_floats(in_side_),
                                                 output + i * planar_floats(side_), faces_.options.lambda_id));
    share_time(batch, "consistency", start);
    return Status();
  }

  // Photo pixels per pixel of the network's input.
  Result<double> photo_scale(const Slot& slot) const {
    if (photo(slot).aligned != nullptr) return photo(slot).aligned->photo_scale;
    double pixel = report(slot).alignment.inverse.scale();
    if (in_side_ != side_) {
      GPEN_ASSIGN(const Alignment at, align_face(photo(slot).found[slot.index].landmarks, in_side_));
      pixel = at.inverse.scale();
    }
    return pixel / photo(slot).photo_scale;
  }

  // mask_ for this face; the parser sees the restored face.
  Status parse(const Slot& slot, const DeviceImage& restored) {
    ParseNet* const parser = faces_.models.parser.get();
    const StageTimer timer(&result(slot).times, parser == nullptr ? "paste" : "parse", device_.get());
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
    report(slot).parsed = true;
    return parsed_mask(logits_.floats(), static_cast<int>(classes), side, side_, &scratch_, &mask_);
  }

  Status bring_down(const Slot& slot, const FacePictures& p) {
    AlignedFace* const face = photo(slot).aligned;
    face->degradation = report(slot).degradation;
    face->has_degradation = report(slot).has_degradation;
    face->restored = Image();
    return p.restored.download(&face->restored);
  }

  Status paste(const Slot& slot, FacePictures* p) {
    const StageTimer timer(&result(slot).times, "paste", device_.get());
    if (photo(slot).found[slot.index].box.smaller_side() < kSmallFace) {
      GPEN_RETURN_IF_ERROR(smooth_.set_size(side_, side_));
      smooth_121(p->restored, &smooth_);
      std::swap(p->restored, smooth_);
      report(slot).smoothed = true;
    }
    blend(p->restored, p->original, faces_.options.alpha, &p->restored);
    canvases_[slot.photo]->add(p->restored, mask_, report(slot).alignment.forward);
    return Status();
  }

  const DeviceFaces& faces_;
  const std::span<DevicePhoto> photos_;
  const std::shared_ptr<Device>& device_;
  std::vector<std::optional<DevicePasteCanvas>> canvases_;  // of the photos
  std::vector<Slot> slots_;                                 // their faces, in order,
  size_t done_ = 0;                                         // and how many are pasted
  const int in_side_, side_;
  DeviceMaskScratch scratch_;
  DevicePlane mask_;
  DeviceImage small_, smooth_;
  std::vector<FacePictures> pictures_;
  DeviceBuffer input_, output_;
  DeviceBuffer parser_input_, logits_;
  std::optional<DeviceDegradation> degradation_;
  std::optional<DeviceConsistency> consistency_;
};

}  // namespace

Status restore_on_device(const DeviceFaces& faces, std::span<DevicePhoto> photos) {
  const std::shared_ptr<Device> device = faces.models.gpen->device();
  const ParseNet* const parser = faces.models.parser.get();
  if (parser != nullptr && parser->device() != device)
    return fail(Code::internal, "the face parser is not on the device of the faces");
  return Work(faces, photos, device).run();
}

}  // namespace gpen
