#include "pipeline/device_consistency.h"

#include <cmath>
#include <numbers>

#include "kernels/gpu_kernels.h"

namespace gpen {

namespace {

size_t product(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

// C[k][i] = s(k) cos(pi (2i+1) k / 2N), computed in double.
std::vector<float> cosine_matrix(int n) {
  std::vector<double> cosines(product(4, n));  // of pi m / 2N: all that occur
  for (int m = 0; m < 4 * n; ++m) cosines[static_cast<size_t>(m)] = std::cos(std::numbers::pi * m / (2.0 * n));
  std::vector<float> matrix;
  matrix.reserve(product(n, n));
  for (int k = 0; k < n; ++k) {
    const double norm = std::sqrt((k == 0 ? 1.0 : 2.0) / n);
    for (int i = 0; i < n; ++i)
      matrix.push_back(static_cast<float>(norm * cosines[static_cast<size_t>((2 * i + 1) * k % (4 * n))]));
  }
  return matrix;
}

Result<DeviceBuffer> upload(const std::shared_ptr<Device>& device, const std::vector<float>& values) {
  return DeviceBuffer::copy_of(device, values.data(), values.size() * sizeof(float));
}

// The memory is kept where it is large enough.
Status upload_again(const std::shared_ptr<Device>& device, const std::vector<float>& values, DeviceBuffer* buffer) {
  const size_t bytes = values.size() * sizeof(float);
  if (bytes > buffer->bytes()) {
    GPEN_ASSIGN(*buffer, DeviceBuffer::make(device, bytes));
  }
  device->upload(buffer->data(), values.data(), bytes);
  return Status();
}

}  // namespace

Result<DeviceConsistency::Matrices> DeviceConsistency::upload_matrices(const std::shared_ptr<Device>& device,
                                                                       int size) {
  const std::vector<float> cosines = cosine_matrix(size);
  std::vector<float> transposed(cosines.size());
  for (int k = 0; k < size; ++k)
    for (int i = 0; i < size; ++i)
      transposed[product(i, size) + static_cast<size_t>(k)] = cosines[product(k, size) + static_cast<size_t>(i)];
  Matrices matrices;
  GPEN_ASSIGN(matrices.cosines, upload(device, cosines));
  GPEN_ASSIGN(matrices.transposed, upload(device, transposed));
  return Result<Matrices>(std::move(matrices));
}

CosineTransform DeviceConsistency::transform(const Matrices& matrices, int size) {
  return {size, matrices.cosines.floats(), matrices.transposed.floats()};
}

Result<DeviceConsistency> DeviceConsistency::make(const std::shared_ptr<Device>& device, int input_size,
                                                  int output_size) {
  GPEN_RETURN_IF_ERROR(check_consistency_sizes(input_size, output_size));
  DeviceConsistency c;
  c.device_ = device;
  c.input_size_ = input_size;
  c.output_size_ = output_size;
  GPEN_ASSIGN(c.input_matrices_, upload_matrices(device, input_size));
  if (output_size != input_size) {
    GPEN_ASSIGN(c.output_matrices_, upload_matrices(device, output_size));
  }
  // The band is no larger than the input.
  const size_t coefficients = 3 * product(input_size, input_size) * sizeof(float);
  GPEN_ASSIGN(c.x_, DeviceBuffer::make(device, coefficients));
  GPEN_ASSIGN(c.y_, DeviceBuffer::make(device, coefficients));
  GPEN_ASSIGN(c.scratch_, DeviceBuffer::make(device, 3 * product(input_size, output_size) * sizeof(float)));
  return Result<DeviceConsistency>(std::move(c));
}

Status DeviceConsistency::enforce(const float* input, float* output, double lambda, const Degradation& d) {
  GPEN_RETURN_IF_ERROR(check_consistency_lambda(lambda));
  if (lambda == 0) return Status();
  const ConsistencyBand limits = make_band(d, input_size_, output_size_);
  GPEN_RETURN_IF_ERROR(upload_again(device_, limits.weights, &weights_));
  GPEN_RETURN_IF_ERROR(upload_again(device_, limits.blur, &blur_));
  const CosineTransform small = transform(input_matrices_, input_size_);
  const CosineTransform large = input_size_ == output_size_ ? small : transform(output_matrices_, output_size_);
  const ConsistencyKernels& kernels = device_->kernels().picture->consistency;
  kernels.forward(*device_, small, input, limits.band, scratch_.floats(), x_.floats());
  kernels.forward(*device_, large, output, limits.band, scratch_.floats(), y_.floats());
  kernels.correct(*device_, limits.response(lambda, weights_.floats(), blur_.floats()), x_.floats(), y_.floats());
  kernels.add_inverse(*device_, large, y_.floats(), limits.band, scratch_.floats(), output);
  return Status();
}

}  // namespace gpen
