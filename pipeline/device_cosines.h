// The matrices of a cosine transform on a device.
#pragma once
#include "kernels/gpu_kernels.h"

namespace gpen {

class DeviceCosines {
 public:
  DeviceCosines() = default;
  // size: as for CosineTransform. Computed there: 2 size^2 floats. Code::memory.
  static Result<DeviceCosines> make(const std::shared_ptr<Device>& device, int size) {
    DeviceCosines c;
    c.size_ = size;
    const size_t bytes = static_cast<size_t>(size) * static_cast<size_t>(size) * sizeof(float);
    GPEN_ASSIGN(c.cosines_, DeviceBuffer::make(device, bytes));
    GPEN_ASSIGN(c.transposed_, DeviceBuffer::make(device, bytes));
    device->kernels().picture->consistency.fill_matrices(*device, size, c.cosines_.floats(), c.transposed_.floats());
    return Result<DeviceCosines>(std::move(c));
  }
  CosineTransform transform() const { return {size_, cosines_.floats(), transposed_.floats()}; }

 private:
  int size_ = 0;
  DeviceBuffer cosines_, transposed_;
};

}  // namespace gpen
