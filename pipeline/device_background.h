// background.h on a device: the photo is there, and the enlarged pictures stay there.
#pragma once
#include "layers/rrdbnet.h"
#include "pipeline/background.h"
#include "pipeline/device_picture.h"

namespace gpen {

// The processor's formulas, tile by tile from the photo's 8 bits to the result's, so that besides those two only one
// tile's input and output are held in fp32 (and the network's arena). net is on the photo's device. Errors as there;
// the limit is for the result, which is to go to the host, and the device's own memory is its own limit (Code::memory).
// *result is sized here.
Status upscale_background(RrdbNet& net, const DeviceImage& photo, const UpscaleOptions& options, DeviceImage* result);

// *result is sized here.
Status enlarge(const DeviceImage& photo, int scale, DeviceImage* result);

}  // namespace gpen
