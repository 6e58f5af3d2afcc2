// enforce_consistency() (consistency.h: the formulas and laws) on a device.
#pragma once
#include <memory>

#include "pipeline/consistency.h"
#include "runtime/device.h"

namespace gpen {

// For pictures of two sizes. Keeps the matrices of the transforms and the scratch memory from face to face: 2 N^2
// floats for each different size, and 6 input_size^2 + 3 input_size * output_size floats.
class DeviceConsistency {
 public:
  // Sizes as for enforce_consistency(): Code::usage for others, Code::memory when there is not so much.
  static Result<DeviceConsistency> make(const std::shared_ptr<Device>& device, int input_size, int output_size);

  // input: 3 x input_size x input_size planar, what the network was fed with and d was estimated from.
  // output: 3 x output_size x output_size planar, changed in place, or not at all when lambda is 0.
  // Both are in the device's memory, aligned to 16 bytes, and of finite values, which the caller has made sure of: to
  // look would be to wait. Puts work on the stream and returns.
  // Code::usage for a lambda outside of [0,1]; output is then unchanged.
  Status enforce(const float* input, float* output, double lambda, const Degradation& d);

 private:
  struct Matrices {
    DeviceBuffer cosines, transposed;
  };
  DeviceConsistency() = default;
  static Result<Matrices> upload_matrices(const std::shared_ptr<Device>& device, int size);
  static CosineTransform transform(const Matrices& matrices, int size);

  std::shared_ptr<Device> device_;
  int input_size_ = 0, output_size_ = 0;
  Matrices input_matrices_, output_matrices_;  // the latter empty where the sizes are the same
  DeviceBuffer x_, y_, scratch_, weights_, blur_;
};

}  // namespace gpen
