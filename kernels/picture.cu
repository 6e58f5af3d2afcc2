// Resizing, warping, and the ways between pictures and networks' planes.
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

// Where a destination column or row samples: two neighbours and the weight of the second.
struct ResizeTap {
  int first, second;
  float weight;
};

__device__ __forceinline__ ResizeTap resize_tap(int i, int source, double step) {
  const double wanted = (i + 0.5) * step - 0.5, last = source - 1.0;
  const double at = wanted < 0 ? 0.0 : wanted > last ? last : wanted;
  const int first = static_cast<int>(at);
  return {first, min(first + 1, source - 1), static_cast<float>(at - first)};
}

// One channel of a destination pixel.
template <class T>
__device__ __forceinline__ float resize_sample(const DevicePixels<const T>& s, const ResizeTap& column,
                                               const ResizeTap& row, int c) {
  const T* const upper = s.data + pixel_offset(s, 0, row.first) * s.channels + c;
  const T* const lower = s.data + pixel_offset(s, 0, row.second) * s.channels + c;
  const int a = column.first * s.channels, b = column.second * s.channels;
  const float top = static_cast<float>(upper[a]) * (1 - column.weight) + static_cast<float>(upper[b]) * column.weight;
  const float low = static_cast<float>(lower[a]) * (1 - column.weight) + static_cast<float>(lower[b]) * column.weight;
  return top * (1 - row.weight) + low * row.weight;
}

template <class In, class Out>
__global__ void __launch_bounds__(256)
    resize_kernel(DevicePixels<const In> source, DevicePixels<Out> destination, double step_x, double step_y) {
  const auto [x, y] = pixel_of_thread();
  if (x >= destination.width || y >= destination.height) return;
  const ResizeTap column = resize_tap(x, source.width, step_x), row = resize_tap(y, source.height, step_y);
  Out* const out = destination.data + pixel_offset(destination, x, y) * destination.channels;
  for (int c = 0; c < source.channels; ++c) out[c] = stored<Out>(resize_sample(source, column, row, c));
}

double step_or_ratio(double step, int source, int destination) {
  return step > 0 ? step : static_cast<double>(source) / destination;
}

template <class In, class Out>
void resize(Device& device, DevicePixels<const In> source, DevicePixels<Out> destination, double step_x,
            double step_y) {
  if (source.channels != destination.channels)
    return device.note_error(fail(Code::internal, "resize: ", source.channels, " channels to ", destination.channels));
  gpu::launch(device, "resize", resize_kernel<In, Out>, picture_grid(destination.width, destination.height),
              kPictureBlock, 0, source, destination, step_or_ratio(step_x, source.width, destination.width),
              step_or_ratio(step_y, source.height, destination.height));
}

template <PlaneFormat kFormat>
__global__ void __launch_bounds__(256) resize_to_planes_kernel(DevicePixels<const uint8_t> source, float* planes,
                                                               int width, int height, double step_x, double step_y) {
  const auto [x, y] = pixel_of_thread();
  if (x >= width || y >= height) return;
  const ResizeTap column = resize_tap(x, source.width, step_x), row = resize_tap(y, source.height, step_y);
  float v[3];
#pragma unroll
  for (int c = 0; c < 3; ++c) v[c] = resize_sample(source, column, row, c);
  if constexpr (kFormat == PlaneFormat::gray_symmetric)
    v[0] = v[1] = v[2] = to_level(static_cast<float>(0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2]));

  const int64_t plane = static_cast<int64_t>(width) * height;
  float* const out = planes + static_cast<int64_t>(y) * width + x;
  if constexpr (kFormat == PlaneFormat::bgr_minus_mean) {
    out[0] = v[2] - 104;
    out[plane] = v[1] - 117;
    out[2 * plane] = v[0] - 123;
  } else {
#pragma unroll
    for (int c = 0; c < 3; ++c)
      out[c * plane] = kFormat == PlaneFormat::unit ? v[c] / 255.0f : (v[c] / 255.0f - 0.5f) / 0.5f;
  }
}

void resize_to_planes(Device& device, DevicePixels<const uint8_t> source, float* planes, int width, int height,
                      double step_x, double step_y, PlaneFormat format) {
  if (source.channels != 3)
    return device.note_error(fail(Code::internal, "resize_to_planes: ", source.channels, " channels, expected 3"));
  const auto kernel = format == PlaneFormat::unit             ? resize_to_planes_kernel<PlaneFormat::unit>
                      : format == PlaneFormat::symmetric      ? resize_to_planes_kernel<PlaneFormat::symmetric>
                      : format == PlaneFormat::gray_symmetric ? resize_to_planes_kernel<PlaneFormat::gray_symmetric>
                                                              : resize_to_planes_kernel<PlaneFormat::bgr_minus_mean>;
  gpu::launch(device, "resize_to_planes", kernel, picture_grid(width, height), kPictureBlock, 0, source, planes, width,
              height, step_or_ratio(step_x, source.width, width), step_or_ratio(step_y, source.height, height));
}

__global__ void __launch_bounds__(256)
    planes_to_bytes_kernel(const float* planes, bool unit, bool truncate, DevicePixels<uint8_t> picture) {
  const auto [x, y] = pixel_of_thread();
  if (x >= picture.width || y >= picture.height) return;
  const int64_t plane = static_cast<int64_t>(picture.width) * picture.height, pixel = pixel_offset(picture, x, y);
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    const float value = planes[c * plane + pixel];
    const float level = (unit ? value : value * 0.5f + 0.5f) * 255.0f;
    // Not a number compares false and becomes 0.
    const float clamped = level > 0 ? (level > 255 ? 255.0f : level) : 0.0f;
    picture.data[3 * pixel + c] = truncate ? static_cast<uint8_t>(clamped) : to_level(clamped);
  }
}

void planes_to_bytes(Device& device, const float* planes, PlaneFormat format, LevelRounding rounding,
                     DevicePixels<uint8_t> picture) {
  if (picture.channels != 3 || (format != PlaneFormat::unit && format != PlaneFormat::symmetric))
    return device.note_error(fail(Code::internal, "planes_to_bytes: ", picture.channels,
                                  " channels, or a format that no network answers in"));
  gpu::launch(device, "planes_to_bytes", planes_to_bytes_kernel, picture_grid(picture.width, picture.height),
              kPictureBlock, 0, planes, format == PlaneFormat::unit, rounding == LevelRounding::truncate, picture);
}

__global__ void __launch_bounds__(256) find_not_finite_kernel(const float* values, int64_t count, unsigned* found) {
  constexpr unsigned kExponent = 0x7f800000u;  // all ones: infinite or NaN
  bool any = false;
  for (int64_t i = strided_first(); i < count; i += strided_step())
    any = any || (__float_as_uint(values[i]) & kExponent) == kExponent;
  if (any) atomicMax(found, 1u);
}

void find_not_finite(Device& device, const float* values, int64_t count, unsigned* found) {
  device.clear(found, sizeof *found);
  gpu::launch(device, "find_not_finite", find_not_finite_kernel, strided_grid(device, count), dim3(256), 0, values,
              count, found);
}

template <int kChannels, class T>
__global__ void __launch_bounds__(256)
    warp_kernel(DevicePixels<const T> source, DeviceAffine to_source, DevicePixels<T> destination) {
  const auto [x, y] = pixel_of_thread();
  if (x >= destination.width || y >= destination.height) return;
  const BilinearAt at = locate(to_source, x, y, source.width, source.height);
  T* const out = destination.data + pixel_offset(destination, x, y) * kChannels;
#pragma unroll
  for (int c = 0; c < kChannels; ++c) out[c] = at.inside ? stored<T>(sample_channel(at, source, kChannels, c)) : T{0};
}

template <int kChannels, class T>
void warp(Device& device, DevicePixels<const T> source, const DeviceAffine& to_source, DevicePixels<T> destination) {
  if (source.channels != kChannels || destination.channels != kChannels)
    return device.note_error(fail(Code::internal, "warp: ", source.channels, " channels to ", destination.channels,
                                  ", expected ", kChannels));
  gpu::launch(device, "warp", warp_kernel<kChannels, T>, picture_grid(destination.width, destination.height),
              kPictureBlock, 0, source, to_source, destination);
}

}  // namespace

void set_sampling_kernels(PictureKernels* table) {
  table->resize_bytes = resize<uint8_t, uint8_t>;
  table->resize_bytes_to_floats = resize<uint8_t, float>;
  table->resize_floats = resize<float, float>;
  table->resize_to_planes = resize_to_planes;
  table->planes_to_bytes = planes_to_bytes;
  table->find_not_finite = find_not_finite;
  table->warp_bytes = warp<3, uint8_t>;
  table->warp_floats = warp<1, float>;
}

const PictureKernels& picture_kernels() {
  static const PictureKernels table = [] {
    PictureKernels t{};
    set_sampling_kernels(&t);
    set_mask_kernels(&t);
    set_paste_kernels(&t);
    set_task_kernels(&t);
    set_tile_kernels(&t);
    set_consistency_kernels(&t);
    set_degradation_kernels(&t);
    return t;
  }();
  return table;
}

}  // namespace gpen::GPEN_GPU_NS
