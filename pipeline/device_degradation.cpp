#include "pipeline/device_degradation.h"

#include <algorithm>

namespace gpen {

Result<DeviceDegradation> DeviceDegradation::make(const std::shared_ptr<Device>& device, int crop_size) {
  GPEN_RETURN_IF_ERROR(check_degradation(crop_size, 1));
  DeviceDegradation d;
  d.device_ = device;
  d.crop_size_ = crop_size;
  d.window_ = degradation_window(crop_size);
  GPEN_ASSIGN(d.cosines_, DeviceCosines::make(device, d.window_));
  const size_t bytes = size_t{3} * static_cast<size_t>(d.window_) * static_cast<size_t>(d.window_) * sizeof(float);
  for (DeviceBuffer* const buffer : {&d.plain_, &d.weighted_, &d.coefficients_, &d.scratch_}) {
    GPEN_ASSIGN(*buffer, DeviceBuffer::make(device, bytes));
  }
  return Result<DeviceDegradation>(std::move(d));
}

Status DeviceDegradation::reserve(size_t crops) {
  const size_t bytes = crops * numbers() * sizeof(double);
  if (bytes <= numbers_.bytes()) return Status();
  numbers_ = DeviceBuffer();
  GPEN_ASSIGN(numbers_, DeviceBuffer::make(device_, bytes));
  return Status();
}

Status DeviceDegradation::measure(size_t index, const float* crop, double face_scale) {
  GPEN_RETURN_IF_ERROR(check_degradation(crop_size_, face_scale));
  if ((index + 1) * numbers() * sizeof(double) > numbers_.bytes())
    return fail(Code::internal, "degradation: no room for the numbers of crop ", index);
  double* const sums = static_cast<double*>(numbers_.data()) + index * numbers();
  const PictureKernels& picture = *device_->kernels().picture;
  const DegradationKernels& kernels = picture.degradation;
  const ConsistencyKernels& dct = picture.consistency;
  const CosineTransform transform = cosines_.transform();
  kernels.cut_windows(*device_, crop, crop_size_, window_, plain_.floats(), weighted_.floats());

  dct.forward(*device_, transform, weighted_.floats(), window_, scratch_.floats(), coefficients_.floats());
  kernels.ring_sums(*device_, coefficients_.floats(), window_, sums);

  const DetailBand detail = detail_band(window_, face_scale);
  dct.forward(*device_, transform, plain_.floats(), detail.band, scratch_.floats(), coefficients_.floats());
  kernels.keep_detail(*device_, detail.band, detail.first, detail.last, coefficients_.floats());
  device_->clear(plain_.data(), plain_.bytes());
  dct.add_inverse(*device_, transform, coefficients_.floats(), detail.band, scratch_.floats(), plain_.floats());
  kernels.medians(*device_, plain_.floats(), window_, window_ / 8, sums + window_);
  return Status();
}

Result<std::vector<DegradationMeasures>> DeviceDegradation::read(size_t crops) {
  std::vector<double> all(crops * numbers());
  device_->download(all.data(), numbers_.data(), all.size() * sizeof(double));
  GPEN_RETURN_IF_ERROR(device_->finish());
  std::vector<DegradationMeasures> measures(crops);
  for (size_t i = 0; i < crops; ++i) {
    const double* const sums = all.data() + i * numbers();
    measures[i].ring_sums.assign(sums, sums + window_);
    std::copy_n(sums + window_, 3, measures[i].detail_median.begin());
  }
  return measures;
}

}  // namespace gpen
