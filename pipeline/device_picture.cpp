#include "pipeline/device_picture.h"

#include <algorithm>
#include <cmath>

#include "kernels/gpu_kernels.h"
#include "pipeline/paste.h"

namespace gpen {

namespace {

template <class Picture>
const PictureKernels& kernels_of(const Picture& picture) {
  return *picture.device()->kernels().picture;
}

DeviceAffine plain(const Affine& a) { return {{{a.m[0][0], a.m[0][1], a.m[0][2]}, {a.m[1][0], a.m[1][1], a.m[1][2]}}}; }

template <class A, class B>
bool same_size(const char* what, const A& a, const B& b) {
  if (a.width() == b.width() && a.height() == b.height()) return true;
  a.device()->note_error(
      fail(Code::internal, what, ": ", a.width(), "x", a.height(), " pixels and ", b.width(), "x", b.height()));
  return false;
}

Result<BlurTaps> gaussian_taps(int taps, double sigma) {
  const std::vector<float> half = half_gaussian(taps, sigma);
  if (half.size() > BlurTaps::kMaxReach + 1)
    return fail(Code::internal, "a blur of ", taps, " taps and sigma ", sigma, " reaches further than ",
                BlurTaps::kMaxReach, " pixels");
  BlurTaps result;
  result.reach = static_cast<int>(half.size()) - 1;
  std::copy(half.begin(), half.end(), result.weights);
  return result;
}

PlaneFormat format_of(Task task) { return traits(task).unit_range ? PlaneFormat::unit : PlaneFormat::symmetric; }

}  // namespace

Status DeviceImage::upload(const Image& image) {
  GPEN_RETURN_IF_ERROR(set_size(image.width, image.height));
  device()->upload(data(), image.rgb.data(), elements());
  return Status();
}

Status DeviceImage::download(Image* image) const {
  image->width = width();
  image->height = height();
  image->rgb.resize(elements());
  device()->download(image->rgb.data(), data(), elements());
  return device()->finish();
}

Status DevicePlane::upload(const Plane& plane) {
  GPEN_RETURN_IF_ERROR(set_size(plane.width, plane.height));
  device()->upload(data(), plane.data.data(), elements() * sizeof(float));
  return Status();
}

Status DevicePlane::download(Plane* plane) const {
  *plane = Plane(width(), height());
  device()->download(plane->data.data(), data(), elements() * sizeof(float));
  return device()->finish();
}

void resize_bilinear(const DeviceImage& source, DeviceImage* destination, double step_x, double step_y) {
  kernels_of(source).resize_bytes(*source.device(), source.pixels(), destination->pixels(), step_x, step_y);
}

void resize_bilinear(const DevicePlane& source, DevicePlane* destination, double step_x, double step_y) {
  kernels_of(source).resize_floats(*source.device(), source.pixels(), destination->pixels(), step_x, step_y);
}

void warp_affine(const DeviceImage& source, const Affine& to_source, DeviceImage* destination) {
  kernels_of(source).warp_bytes(*source.device(), source.pixels(), plain(to_source), destination->pixels());
}

void warp_affine(const DevicePlane& source, const Affine& to_source, DevicePlane* destination) {
  kernels_of(source).warp_floats(*source.device(), source.pixels(), plain(to_source), destination->pixels());
}

Status gaussian_blur(DevicePlane* plane, int taps, double sigma, DevicePlane* scratch) {
  GPEN_ASSIGN(const BlurTaps kernel, gaussian_taps(taps, sigma));
  GPEN_RETURN_IF_ERROR(scratch->set_size(plane->width(), plane->height()));
  kernels_of(*plane).blur(*plane->device(), plane->pixels(), kernel, 0, scratch->data(), plane->data());
  return Status();
}

void smooth_121(const DeviceImage& source, DeviceImage* destination) {
  if (!same_size("smooth_121", source, *destination)) return;
  kernels_of(source).smooth_121(*source.device(), source.pixels(), destination->data());
}

Result<DeviceDetectorInput> prepare_detector_input(const DeviceImage& photo, double scale) {
  DeviceDetectorInput input;
  input.width = std::max(1, static_cast<int>(std::lround(photo.width() * scale)));
  input.height = std::max(1, static_cast<int>(std::lround(photo.height() * scale)));
  const size_t floats = size_t{3} * static_cast<size_t>(input.width) * static_cast<size_t>(input.height);
  GPEN_ASSIGN(input.data, DeviceBuffer::make(photo.device(), floats * sizeof(float)));
  kernels_of(photo).resize_to_planes(*photo.device(), photo.pixels(), input.data.floats(), input.width, input.height,
                                     1 / scale, 1 / scale, PlaneFormat::bgr_minus_mean);
  return input;
}

void task_input(Task task, const DeviceImage& picture, float* planar) {
  const PlaneFormat format = task == Task::colorize ? PlaneFormat::gray_symmetric : format_of(task);
  kernels_of(picture).resize_to_planes(*picture.device(), picture.pixels(), planar, picture.width(), picture.height(),
                                       1, 1, format);
}

void task_output(Task task, const float* planar, DeviceImage* picture) {
  kernels_of(*picture).planes_to_bytes(*picture->device(), planar, format_of(task), LevelRounding::truncate,
                                       picture->pixels());
}

Status finish_task(Task task, const DeviceImage& input, double lambda, DeviceImage* picture) {
  if (!same_size("finish_task", input, *picture)) return Status();
  const PictureKernels& kernels = kernels_of(input);
  if (task == Task::colorize) kernels.keep_luma(*input.device(), input.pixels(), picture->data());
  if (task == Task::inpaint && lambda > 0) {
    const size_t pixels = input.elements() / 3;
    GPEN_ASSIGN(const DeviceBuffer scratch, DeviceBuffer::make(input.device(), pixels));
    kernels.keep_known(*input.device(), input.pixels(), lambda, static_cast<uint8_t*>(scratch.data()), picture->data());
  }
  return Status();
}

void mark_holes(const DeviceImage& picture, const Affine& to_picture, DeviceImage* crop) {
  kernels_of(picture).mark_warped_holes(*picture.device(), picture.pixels(), plain(to_picture), crop->pixels());
}

Result<bool> all_finite(const std::shared_ptr<Device>& device, const float* values, int64_t count) {
  GPEN_ASSIGN(const DeviceBuffer flag, DeviceBuffer::make(device, sizeof(unsigned)));
  device->kernels().picture->find_not_finite(*device, values, count, static_cast<unsigned*>(flag.data()));
  unsigned found = 0;
  device->download(&found, flag.data(), sizeof found);
  GPEN_RETURN_IF_ERROR(device->finish());
  return found == 0;
}

void to_unit_planes(const DeviceImage& photo, float* planes) {
  kernels_of(photo).resize_to_planes(*photo.device(), photo.pixels(), planes, photo.width(), photo.height(), 1, 1,
                                     PlaneFormat::unit);
}

void from_unit_planes(const float* planes, DeviceImage* picture) {
  kernels_of(*picture).planes_to_bytes(*picture->device(), planes, PlaneFormat::unit, LevelRounding::nearest,
                                       picture->pixels());
}

void parser_input(const DeviceImage& face, int side, float* planar) {
  kernels_of(face).resize_to_planes(*face.device(), face.pixels(), planar, side, side, 0, 0, PlaneFormat::symmetric);
}

Status soften_mask(DevicePlane* keep, DevicePlane* scratch) {
  constexpr int kBorder = 26, kTaps = 101;
  constexpr double kSigma = 4;
  GPEN_ASSIGN(const BlurTaps kernel, gaussian_taps(kTaps, kSigma));
  GPEN_RETURN_IF_ERROR(scratch->set_size(keep->width(), keep->height()));
  Device& device = *keep->device();
  for (const int border : {kBorder, 0})
    kernels_of(*keep).blur(device, keep->pixels(), kernel, border, scratch->data(), keep->data());
  return Status();
}

Status default_mask(int size, ThreadPool& pool, DevicePlane* mask) { return mask->upload(default_mask(size, pool)); }

Status parsed_mask(const float* logits, int classes, int side, int size, DeviceMaskScratch* scratch,
                   DevicePlane* mask) {
  constexpr uint32_t kBackground = 1u << 0, kHat = 1u << 14, kCloth = 1u << 18;
  Device& device = *mask->device();
  // Each plane is the one that the next step reads, and the last is the mask itself.
  DevicePlane* const full = size == kMaskSide ? mask : &scratch->full;
  DevicePlane* const keep = side == kMaskSide ? full : &scratch->keep;
  GPEN_RETURN_IF_ERROR(keep->set_size(side, side));
  kernels_of(*mask).keep_classes(device, logits, classes, side, kBackground | kHat | kCloth, keep->data());
  if (keep != full) {
    GPEN_RETURN_IF_ERROR(full->set_size(kMaskSide, kMaskSide));
    resize_bilinear(*keep, full);
  }
  GPEN_RETURN_IF_ERROR(soften_mask(full, &scratch->blurred));
  if (full != mask) {
    GPEN_RETURN_IF_ERROR(mask->set_size(size, size));
    resize_bilinear(*full, mask);
  }
  return Status();
}

void blend(const DeviceImage& restored, const DeviceImage& crop, double alpha, DeviceImage* out) {
  if (!same_size("blend", restored, crop) || !same_size("blend", restored, *out)) return;
  kernels_of(restored).blend(*restored.device(), restored.data(), crop.data(), alpha, out->data(),
                             static_cast<int64_t>(out->elements()));
}

Result<DevicePasteCanvas> DevicePasteCanvas::make(const std::shared_ptr<Device>& device, int width, int height) {
  DevicePasteCanvas canvas;
  canvas.mask_ = DevicePlane(device);
  canvas.faces_ = DeviceImage(device);
  GPEN_RETURN_IF_ERROR(canvas.mask_.set_size(width, height));
  GPEN_RETURN_IF_ERROR(canvas.faces_.set_size(width, height));
  device->clear(canvas.mask_.data(), canvas.mask_.elements() * sizeof(float));
  return canvas;
}

void DevicePasteCanvas::add(const DeviceImage& face, const DevicePlane& mask, const Affine& to_crop) {
  const Rect reach = reach_of_crop(to_crop, face.width(), mask_.width(), mask_.height());
  kernels_of(face).paste_face(*face.device(), face.pixels(), mask.pixels(), plain(to_crop),
                              {reach.x0, reach.y0, reach.x1, reach.y1}, mask_.pixels(), faces_.data());
}

void DevicePasteCanvas::blend_into(DeviceImage* picture) const {
  if (!same_size("paste", mask_, *picture)) return;
  kernels_of(*picture).paste_canvas(*picture->device(), mask_.data(), faces_.data(), picture->pixels());
}

}  // namespace gpen
