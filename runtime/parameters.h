// Floats that a kernel reads as they are: biases, small filters. They lie where the kernels run.
#pragma once
#include <vector>

#include "runtime/workspace.h"

namespace gpen {

class ParameterVector {
 public:
  ParameterVector() = default;
  static Result<ParameterVector> make(const Placement& at, std::vector<float> values) {
    ParameterVector p;
    p.size_ = values.size();
    if (at.device != nullptr) {
      GPEN_ASSIGN(p.device_, DeviceBuffer::copy_of(at.device, values.data(), values.size() * sizeof(float)));
    } else {
      p.host_ = std::move(values);
    }
    return Result<ParameterVector>(std::move(p));
  }
  const float* data() const { return device_.data() != nullptr ? device_.floats() : host_.data(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::vector<float> host_;
  DeviceBuffer device_;
  size_t size_ = 0;
};

}  // namespace gpen
