// enforce_consistency() (consistency.h: the formulas and laws) on a device.
#pragma once
#include <memory>
#include <vector>

#include "pipeline/consistency.h"
#include "pipeline/device_cosines.h"
#include "runtime/device.h"

namespace gpen {

// For pictures of two sizes. Keeps the matrices of the transforms and the scratch memory from face to face: 2 N^2
// floats for each different size, and 6 input_size^2 + 3 input_size * output_size floats.
class DeviceConsistency {
 public:
  // Sizes as for enforce_consistency(): Code::usage for others, Code::memory when there is not so much.
  static Result<DeviceConsistency> make(const std::shared_ptr<Device>& device, int input_size, int output_size);

  // What is known of the faces that follow (make_band()); goes up once for all of them. Code::memory.
  Status prepare(std::vector<ConsistencyBand> bands);
  // Face `index` of them.
  // input: 3 x input_size x input_size planar, what the network was fed with and its band was made from.
  // output: 3 x output_size x output_size planar, changed in place, or not at all when lambda is 0.
  // Both are in the device's memory, aligned to 16 bytes, and of finite values, which the caller has made sure of: to
  // look would be to wait. Puts work on the stream and returns.
  // Code::usage for a lambda outside of [0,1]; output is then unchanged.
  Status enforce(size_t index, const float* input, float* output, double lambda);

 private:
  DeviceConsistency() = default;

  std::shared_ptr<Device> device_;
  int input_size_ = 0, output_size_ = 0;
  DeviceCosines input_cosines_, output_cosines_;  // the latter empty where the sizes are the same
  std::vector<ConsistencyBand> bands_;
  std::vector<size_t> places_;  // of their weights, and behind them their blur, in values_
  DeviceBuffer x_, y_, scratch_, values_;
};

}  // namespace gpen
