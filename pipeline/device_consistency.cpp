#include "pipeline/device_consistency.h"

#include <utility>

#include "kernels/gpu_kernels.h"

namespace gpen {

namespace {

size_t product(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

}  // namespace

Result<DeviceConsistency> DeviceConsistency::make(const std::shared_ptr<Device>& device, int input_size,
                                                  int output_size) {
  GPEN_RETURN_IF_ERROR(check_consistency_sizes(input_size, output_size));
  DeviceConsistency c;
  c.device_ = device;
  c.input_size_ = input_size;
  c.output_size_ = output_size;
  GPEN_ASSIGN(c.input_cosines_, DeviceCosines::make(device, input_size));
  if (output_size != input_size) {
    GPEN_ASSIGN(c.output_cosines_, DeviceCosines::make(device, output_size));
  }
  // The band is no larger than the input.
  const size_t coefficients = 3 * product(input_size, input_size) * sizeof(float);
  GPEN_ASSIGN(c.x_, DeviceBuffer::make(device, coefficients));
  GPEN_ASSIGN(c.y_, DeviceBuffer::make(device, coefficients));
  GPEN_ASSIGN(c.scratch_, DeviceBuffer::make(device, 3 * product(input_size, output_size) * sizeof(float)));
  return Result<DeviceConsistency>(std::move(c));
}

Status DeviceConsistency::prepare(std::vector<ConsistencyBand> bands) {
  std::vector<float> values;
  places_.clear();
  for (const ConsistencyBand& b : bands) {
    places_.push_back(values.size());
    values.insert(values.end(), b.weights.begin(), b.weights.end());
    values.insert(values.end(), b.blur.begin(), b.blur.end());
  }
  bands_ = std::move(bands);
  const size_t bytes = values.size() * sizeof(float);
  if (bytes > values_.bytes()) {
    values_ = DeviceBuffer();
    GPEN_ASSIGN(values_, DeviceBuffer::make(device_, bytes));
  }
  if (bytes > 0) device_->upload(values_.data(), values.data(), bytes);
  return Status();
}

Status DeviceConsistency::enforce(size_t index, const float* input, float* output, double lambda) {
  GPEN_RETURN_IF_ERROR(check_consistency_lambda(lambda));
  if (lambda == 0) return Status();
  if (index >= bands_.size()) return fail(Code::internal, "consistency: no face ", index, " was prepared");
  const ConsistencyBand& limits = bands_[index];
  const float* const weights = values_.floats() + places_[index];
  const CosineTransform small = input_cosines_.transform();
  const CosineTransform large = input_size_ == output_size_ ? small : output_cosines_.transform();
  const ConsistencyKernels& kernels = device_->kernels().picture->consistency;
  kernels.forward(*device_, small, input, limits.band, scratch_.floats(), x_.floats());
  kernels.forward(*device_, large, output, limits.band, scratch_.floats(), y_.floats());
  kernels.correct(*device_, limits.response(lambda, weights, weights + limits.weights.size()), x_.floats(),
                  y_.floats());
  kernels.add_inverse(*device_, large, y_.floats(), limits.band, scratch_.floats(), output);
  return Status();
}

}  // namespace gpen
