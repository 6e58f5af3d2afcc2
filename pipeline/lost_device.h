// Whether a device can be given another photo.
#pragma once
#include "runtime/device.h"

namespace gpen {

// After an error: an error of some work is told once, by the next finish(); a device that is lost (a fault of its own,
// or a kernel's access outside of its memory) answers every call with its error from then on. Waits. Null, the
// processor, is never lost.
inline bool is_lost(Device* device) {
  if (device == nullptr) return false;
  (void)device->finish();
  return !device->finish().ok();
}

}  // namespace gpen
