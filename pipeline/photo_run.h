// One photo's steps through the pipeline, without the network: what comes before its faces go through it, and what
// comes after. restore.cpp leads photos through them, and their faces through the network together.
#pragma once
#include <optional>
#include <vector>

#include "pipeline/background.h"
#include "pipeline/device_faces.h"
#include "pipeline/face_batch.h"
#include "pipeline/paste.h"
#include "pipeline/restore.h"

namespace gpen {

// Told where the photo is; an error (Code::cancelled) ends the photo's run and is what the step returns.
using StepProgress = std::function<Status(const char* stage, double fraction)>;

class PhotoRun {
 public:
  // All of them must outlive the run. default_mask: empty, or that of the network's side from an earlier photo.
  PhotoRun(const Models& models, ThreadPool& pool, const Image& photo, const RestoreOptions& options,
           Plane* default_mask)
      : models_(models),
        pool_(pool),
        photo_(photo),
        options_(options),
        default_mask_(default_mask),
        device_(models.gpen->device()),
        device_picture_(device_),
        device_background_(device_) {}

  // Enlarges the photo, where there is an upscaler, and finds its faces (or takes those that are given, in photo
  // pixels); an aligned picture is its own face. Then faces() is known.
  Status prepare(const std::vector<Face>* given, const StepProgress& progress);
  size_t faces() const { return result_.faces.size(); }

  // On the processor, for every face in order: cropped for the network, and, once restored, pasted.
  AlignedFace align(size_t index);
  Status take(size_t index, AlignedFace* face);
  // On a device (device_faces.h), between prepare() and finish(): what it works on. It points into this run.
  Result<DevicePhoto> on_device();

  void spent(const char* stage, double ms);
  void note(std::string text) { result_.notes.push_back(std::move(text)); }

  // Once, when every face is done.
  Result<RestoreResult> finish();

 private:
  int side() const { return models_.gpen->arch().out_size; }
  const Image& picture() const { return enlargement_.empty() ? photo_ : enlargement_; }

  Status upscale(const StepProgress& progress);
  Status upscale_on_device(const UpscaleOptions& options);
  Status find_faces(const std::vector<Face>* given);
  Result<Detections> detect(const DetectionOptions& options);
  Image crop(const Alignment& alignment, int size) const;
  Result<Plane> parse(size_t index, const AlignedFace& face);
  void paste(size_t index, AlignedFace* face, const Plane& mask);

  const Models& models_;
  ThreadPool& pool_;
  const Image& photo_;
  const RestoreOptions& options_;
  Plane* const default_mask_;           // made when first needed
  double scale_ = 1;                    // of the background, relative to the photo
  Image enlargement_;                   // the photo at that scale, plainly resized; empty where nothing needs it
  Image background_;                    // what the faces are pasted into; its pixels may be on the device
  Detections found_;                    // on the enlargement; none of an aligned picture
  std::optional<PasteCanvas> canvas_;   // from the first face on
  std::optional<AlignedFace> aligned_;  // on its way through a device
  RestoreResult result_;
  const std::shared_ptr<Device> device_;  // where the photo is detected and pasted; null: here
  DeviceImage device_picture_;            // picture(), there
  DeviceImage device_background_;         // background_, there; empty while it is the photo without a face
};

}  // namespace gpen
