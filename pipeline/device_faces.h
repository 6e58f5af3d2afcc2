// The faces of photos on a device: cropped from the pictures in its memory, restored, parsed and pasted there. The
// formulas and the order are those of photo_run.cpp; pictures do not leave the device; of the consistency step
// (lambda_id > 0) some numbers measured on each face come down, and what follows from them goes up. A picture that is
// one aligned face goes up as bytes and comes down as bytes.
#pragma once
#include <span>

#include "pipeline/device_picture.h"
#include "pipeline/face_batch.h"
#include "pipeline/restore.h"

namespace gpen {

struct DevicePhoto {
  std::span<const Face> found;  // on the picture
  double photo_scale = 1;       // of the picture, relative to the photo
  const DeviceImage* picture;   // what the faces are cropped from
  DeviceImage* background;      // what they are pasted into: may have another content, but has the picture's size
  RestoreResult* result;        // its reports, in order, give the alignments; filled further by the work
  AlignedFace* aligned;         // not null: the photo's one face, and there is no found, picture or background
  Status status;                // what became of this photo
};

struct DeviceFaces {
  const Models& models;  // gpen is on the device; parser, where there is one, too
  ThreadPool& pool;
  const RestoreOptions& options;
  // Called between the faces, with the share of all the photos' faces; an error ends the work.
  std::function<Status(const char* stage, double fraction)> progress;
};

// Restores the faces of all photos, which share the network's batches. Fills the reports, crops, restored, times and
// notes of their results. What is wrong with one photo goes to its status and leaves the others alone (Code::memory
// when not even one of its faces at a time fits the device); what progress() says is returned.
Status restore_on_device(const DeviceFaces& faces, std::span<DevicePhoto> photos);

}  // namespace gpen
