// The steps of the tasks that finish their picture with the help of the input.
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

__global__ void __launch_bounds__(256)
    mark_warped_holes_kernel(DevicePixels<const uint8_t> source, DeviceAffine to_source, DevicePixels<uint8_t> crop) {
  const auto [x, y] = pixel_of_thread();
  if (x >= crop.width || y >= crop.height) return;
  const BilinearAt at = locate(to_source, x, y, source.width, source.height);
  if (!at.inside) return;
  const float mixed = sample(at, source.width, source.height, [&](int sx, int sy) {
    return is_hole(source.data + 3 * pixel_offset(source, sx, sy)) ? 1.0f : 0.0f;
  });
  if (!(mixed > 0)) return;
  uint8_t* const out = crop.data + 3 * pixel_offset(crop, x, y);
#pragma unroll
  for (int c = 0; c < 3; ++c) out[c] = 255;
}

void mark_warped_holes(Device& device, DevicePixels<const uint8_t> source, const DeviceAffine& to_source,
                       DevicePixels<uint8_t> crop) {
  if (source.channels != 3 || crop.channels != 3)
    return device.note_error(
        fail(Code::internal, "mark_warped_holes: ", source.channels, " channels to ", crop.channels, ", expected 3"));
  gpu::launch(device, "mark_warped_holes", mark_warped_holes_kernel, picture_grid(crop.width, crop.height),
              kPictureBlock, 0, source, to_source, crop);
}

__global__ void __launch_bounds__(256) keep_luma_kernel(const uint8_t* input, uint8_t* picture, int64_t pixels) {
  for (int64_t i = strided_first(); i < pixels; i += strided_step()) {
    uint8_t* const rgb = picture + 3 * i;
    const double y = luma(input + 3 * i), old_y = luma(rgb);
    double fit = 1;
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const double difference = rgb[c] - old_y;
      if (difference == 0) continue;
      const double room = difference > 0 ? (255 - y) / difference : y / -difference;
      if (room < fit) fit = room;
    }
#pragma unroll
    for (int c = 0; c < 3; ++c) rgb[c] = to_level(static_cast<float>(y + fit * (rgb[c] - old_y)));
  }
}

int64_t pixels_of(DevicePixels<const uint8_t> p) { return static_cast<int64_t>(p.width) * p.height; }

void keep_luma(Device& device, DevicePixels<const uint8_t> input, uint8_t* picture) {
  if (input.channels != 3)
    return device.note_error(fail(Code::internal, "keep_luma: ", input.channels, " channels, expected 3"));
  const int64_t pixels = pixels_of(input);
  gpu::launch(device, "keep_luma", keep_luma_kernel, strided_grid(device, pixels), dim3(256), 0, input.data, picture,
              pixels);
}

constexpr int kMargin = 2;   // pixels beside a hole that are not trusted
constexpr int kFeather = 6;  // pixels over which trust then rises to 1
constexpr int kFar = kMargin + kFeather;

// Pixels along the row to the nearest hole, no further than kFar.
__global__ void __launch_bounds__(256) hole_distance_kernel(DevicePixels<const uint8_t> input, uint8_t* distance) {
  const auto [x, y] = pixel_of_thread();
  if (x >= input.width || y >= input.height) return;
  int nearest = kFar;
  for (int dx = 1 - kFar; dx < kFar; ++dx) {
    const int away = dx < 0 ? -dx : dx;
    if (x + dx < 0 || x + dx >= input.width || away >= nearest) continue;
    if (is_hole(input.data + 3 * pixel_offset(input, x + dx, y))) nearest = away;
  }
  distance[pixel_offset(input, x, y)] = static_cast<uint8_t>(nearest);
}

// The Chebyshev distance is the least over the rows of the larger of both distances.
__global__ void __launch_bounds__(256)
    keep_known_kernel(DevicePixels<const uint8_t> input, float share, const uint8_t* row_distance, uint8_t* picture) {
  const auto [x, y] = pixel_of_thread();
  if (x >= input.width || y >= input.height) return;
  int nearest = kFar;
  for (int dy = 1 - kFar; dy < kFar; ++dy) {
    if (y + dy < 0 || y + dy >= input.height) continue;
    const int along = row_distance[pixel_offset(input, x, y + dy)], away = max(along, dy < 0 ? -dy : dy);
    nearest = min(nearest, away);
  }
  const float weight = share * (static_cast<float>(max(0, nearest - kMargin)) / kFeather);
  const int64_t pixel = pixel_offset(input, x, y);
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    const float now = picture[3 * pixel + c];
    picture[3 * pixel + c] = to_level(now + weight * (static_cast<float>(input.data[3 * pixel + c]) - now));
  }
}

void keep_known(Device& device, DevicePixels<const uint8_t> input, double share, uint8_t* scratch, uint8_t* picture) {
  if (input.channels != 3)
    return device.note_error(fail(Code::internal, "keep_known: ", input.channels, " channels, expected 3"));
  const dim3 grid = picture_grid(input.width, input.height);
  gpu::launch(device, "hole_distance", hole_distance_kernel, grid, kPictureBlock, 0, input, scratch);
  gpu::launch(device, "keep_known", keep_known_kernel, grid, kPictureBlock, 0, input, static_cast<float>(share),
              scratch, picture);
}

}  // namespace

void set_task_kernels(PictureKernels* table) {
  table->mark_warped_holes = mark_warped_holes;
  table->keep_luma = keep_luma;
  table->keep_known = keep_known;
}

}  // namespace gpen::GPEN_GPU_NS
