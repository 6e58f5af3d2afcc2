// A device whose kernels run on the host, in the emulation of the CUDA execution model (emulation.h): for tests. Its
// memory is poisoned with NaN and has guards; reading memory that was never written, or writing outside, shows.
#pragma once
#include "runtime/device.h"

namespace gpen {

struct EmulatedDeviceOptions {
  int capability = 90;
  int multiprocessors = 4;                // few, so that small problems fill them and large ones are not split
  size_t shared_bytes = 227 * 1024;       // of a block
  size_t memory_bytes = size_t{8} << 30;  // allocate() beyond it fails as it would on a device
};
std::shared_ptr<Device> open_emulated_device(const EmulatedDeviceOptions& options = {});

}  // namespace gpen
