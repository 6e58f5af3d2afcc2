// The measurements of the degradation (degradation_measures.h) on a device: some 2 KiB a crop come down from it.
#pragma once
#include <memory>
#include <vector>

#include "pipeline/degradation_measures.h"
#include "pipeline/device_cosines.h"

namespace gpen {

class DeviceDegradation {
 public:
  // Keeps 14 window^2 floats. Code::usage for a size that estimate_degradation() does not take, Code::memory.
  static Result<DeviceDegradation> make(const std::shared_ptr<Device>& device, int crop_size);

  // Room for the numbers of so many crops. Code::memory.
  Status reserve(size_t crops);
  // crop: 3 x crop_size x crop_size planar in the device's memory, of finite values. Puts work on the stream and
  // returns. Code::usage for a scale that estimate_degradation() does not take.
  Status measure(size_t index, const float* crop, double face_scale);
  // Of the first so many crops. Waits.
  Result<std::vector<DegradationMeasures>> read(size_t crops);

 private:
  size_t numbers() const { return static_cast<size_t>(window_) + 3; }  // of one crop: ring sums, medians

  std::shared_ptr<Device> device_;
  int crop_size_ = 0, window_ = 0;
  DeviceCosines cosines_;
  DeviceBuffer plain_, weighted_, coefficients_, scratch_, numbers_;
};

}  // namespace gpen
