// Pictures in a device's memory, and the pipeline's picture operations on them: the names, the argument order and the
// results of geometry.h, detection.h, tasks.h, paste.h and background.h (there are the formulas), without a thread
// pool.
//
// The operations put work on the device's stream and return at once; only download() and all_finite() wait. A function
// that returns nothing notes its errors in the device, whose next finish() returns them: Code::internal for pictures
// whose sizes do not go together. Pictures of one call belong to one device. A picture's memory must not be changed in
// size while recorded work (Device::record) uses it.
#pragma once
#include <memory>

#include "kernels/picture.h"
#include "pipeline/geometry.h"
#include "pipeline/image.h"
#include "pipeline/tasks.h"
#include "runtime/device.h"

namespace gpen {

// Owned interleaved pixels: element (y, x, c) at (y * width + x) * kChannels + c.
template <class T, int kChannels>
class DevicePicture {
 public:
  // Belongs to no device: to be assigned to.
  DevicePicture() = default;
  // Without pixels.
  explicit DevicePicture(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // Undefined content. The memory is kept when it is large enough; Code::memory otherwise, when there is not so much.
  Status set_size(int width, int height) {
    const size_t bytes = static_cast<size_t>(width) * static_cast<size_t>(height) * kChannels * sizeof(T);
    if (bytes > buffer_.bytes()) {
      buffer_ = DeviceBuffer();  // First, so that both need not fit.
      width_ = height_ = 0;
      GPEN_ASSIGN(buffer_, DeviceBuffer::make(device_, bytes));
    }
    width_ = width;
    height_ = height;
    return Status();
  }
  int width() const { return width_; }
  int height() const { return height_; }
  size_t elements() const { return static_cast<size_t>(width_) * static_cast<size_t>(height_) * kChannels; }
  const std::shared_ptr<Device>& device() const { return device_; }
  T* data() { return static_cast<T*>(buffer_.data()); }
  const T* data() const { return static_cast<const T*>(buffer_.data()); }
  DevicePixels<T> pixels() { return {data(), width_, height_, kChannels}; }
  DevicePixels<const T> pixels() const { return {data(), width_, height_, kChannels}; }

 private:
  std::shared_ptr<Device> device_;
  DeviceBuffer buffer_;
  int width_ = 0, height_ = 0;
};

// 8-bit RGB; alpha and what the file was stay with the Image.
class DeviceImage : public DevicePicture<uint8_t, 3> {
 public:
  using DevicePicture::DevicePicture;
  Status upload(const Image& image);
  // Waits. Sets size and rgb, and leaves the rest of *image. Returns the device's first error, too.
  Status download(Image* image) const;
};

class DevicePlane : public DevicePicture<float, 1> {
 public:
  using DevicePicture::DevicePicture;
  Status upload(const Plane& plane);
  Status download(Plane* plane) const;
};

// geometry.h. The destination has its size before.
void resize_bilinear(const DeviceImage& source, DeviceImage* destination, double step_x = 0, double step_y = 0);
void resize_bilinear(const DevicePlane& source, DevicePlane* destination, double step_x = 0, double step_y = 0);
void warp_affine(const DeviceImage& source, const Affine& to_source, DeviceImage* destination);
void warp_affine(const DevicePlane& source, const Affine& to_source, DevicePlane* destination);
// scratch is given the plane's size. Code::internal for more than BlurTaps::kMaxReach taps that matter on either side.
Status gaussian_blur(DevicePlane* plane, int taps, double sigma, DevicePlane* scratch);
void smooth_121(const DeviceImage& source, DeviceImage* destination);

// detection.h. data: 3 x height x width floats.
struct DeviceDetectorInput {
  int width = 0, height = 0;
  DeviceBuffer data;
};
Result<DeviceDetectorInput> prepare_detector_input(const DeviceImage& photo, double scale);

// tasks.h, restore.cpp. Planar arrays are in the device's memory.
void task_input(Task task, const DeviceImage& picture, float* planar);
void task_output(Task task, const float* planar, DeviceImage* picture);  // of the picture's size
Status finish_task(Task task, const DeviceImage& input, double lambda, DeviceImage* picture);
// Inpainting: crop pixels that a white pixel of the picture was mixed into become white.
void mark_holes(const DeviceImage& picture, const Affine& to_picture, DeviceImage* crop);
// consistency.h. Waits.
Result<bool> all_finite(const std::shared_ptr<Device>& device, const float* values, int64_t count);

// background.cpp: levels / 255, 3 x height x width planar, and back, rounded to nearest.
void to_unit_planes(const DeviceImage& photo, float* planes);
void from_unit_planes(const float* planes, DeviceImage* picture);

// paste.h and restore.cpp.
// 3 x side x side planar: the face resized, (v / 255 - 1/2) / (1/2).
void parser_input(const DeviceImage& face, int side, float* planar);

// What making masks needs besides the result; kept from face to face.
struct DeviceMaskScratch {
  explicit DeviceMaskScratch(const std::shared_ptr<Device>& device) : keep(device), full(device), blurred(device) {}
  DevicePlane keep, full, blurred;
};
Status soften_mask(DevicePlane* keep, DevicePlane* scratch);
// Made on the processor and uploaded.
Status default_mask(int size, ThreadPool& pool, DevicePlane* mask);
// The mask gets size x size pixels. logits are in the device's memory.
Status parsed_mask(const float* logits, int classes, int side, int size, DeviceMaskScratch* scratch, DevicePlane* mask);

// out may be one of the others.
void blend(const DeviceImage& restored, const DeviceImage& crop, double alpha, DeviceImage* out);

// PasteCanvas. Memory: 7 bytes per pixel of the picture.
class DevicePasteCanvas {
 public:
  static Result<DevicePasteCanvas> make(const std::shared_ptr<Device>& device, int width, int height);
  void add(const DeviceImage& face, const DevicePlane& mask, const Affine& to_crop);
  void blend_into(DeviceImage* picture) const;
  const DevicePlane& mask() const { return mask_; }

 private:
  DevicePlane mask_;
  DeviceImage faces_;  // Undefined where the mask is 0.
};

}  // namespace gpen
