// The faces of a photo on a device: cropped from the picture in its memory, restored, parsed and pasted there. The
// formulas and the order are those of restore.cpp; pictures do not leave the device, except for the consistency step
// (lambda_id > 0), for whose estimate of the degradation the network's input goes down.
#pragma once
#include <span>

#include "pipeline/device_picture.h"
#include "pipeline/restore.h"

namespace gpen {

struct DeviceFaces {
  const Models& models;  // gpen is on the device; parser, where there is one, too
  ThreadPool& pool;
  const RestoreOptions& options;
  std::span<const Face> found;  // on the picture
  double photo_scale = 1;       // of the picture, relative to the photo
  // Called between the faces; an error ends the work.
  std::function<Status(const char* stage, double fraction)> progress;
};

// Restores `faces.found`, cropped from `picture`, into `background`, which may have another size's content but has the
// picture's size. Fills the reports (in order; their alignment is given), crops, restored, times and notes of *result.
// Code::memory when not even one face at a time fits the device.
Status restore_on_device(const DeviceFaces& faces, const DeviceImage& picture, DeviceImage* background,
                         RestoreResult* result);

}  // namespace gpen
