// A picture in tiles: what a network reads of it, and where its answer goes.
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

// Without repeating the edge, as often as needed: 0 1 2 | 1 0 1 2 ...
__device__ __forceinline__ int mirrored(int i, int size) {
  if (size == 1) return 0;
  const int period = 2 * (size - 1), at = i % period;
  return at < size ? at : period - at;
}

__global__ void __launch_bounds__(256)
    cut_tile_kernel(DevicePixels<const uint8_t> source, DeviceRect tile, float* planes) {
  const auto [x, y] = pixel_of_thread();
  const int width = tile.x1 - tile.x0, height = tile.y1 - tile.y0;
  if (x >= width || y >= height) return;
  const uint8_t* const rgb =
      source.data + 3 * pixel_offset(source, mirrored(tile.x0 + x, source.width), mirrored(tile.y0 + y, source.height));
  const int64_t plane = static_cast<int64_t>(width) * height, pixel = static_cast<int64_t>(y) * width + x;
#pragma unroll
  for (int c = 0; c < 3; ++c) planes[c * plane + pixel] = static_cast<float>(rgb[c]) / 255.0f;
}

void cut_tile(Device& device, DevicePixels<const uint8_t> source, DeviceRect tile, float* planes) {
  if (source.channels != 3 || tile.x0 < 0 || tile.y0 < 0 || tile.x1 <= tile.x0 || tile.y1 <= tile.y0)
    return device.note_error(fail(Code::internal, "cut_tile: ", source.channels, " channels, columns ", tile.x0, " to ",
                                  tile.x1, ", rows ", tile.y0, " to ", tile.y1));
  gpu::launch(device, "cut_tile", cut_tile_kernel, picture_grid(tile.x1 - tile.x0, tile.y1 - tile.y0), kPictureBlock, 0,
              source, tile, planes);
}

__global__ void __launch_bounds__(256)
    paste_tile_kernel(const float* planes, int64_t plane, int row_step, DeviceRect to, DevicePixels<uint8_t> picture) {
  const auto [x, y] = pixel_of_thread();
  if (x >= to.x1 - to.x0 || y >= to.y1 - to.y0) return;
  const float* const from = planes + static_cast<int64_t>(y) * row_step + x;
  uint8_t* const rgb = picture.data + 3 * pixel_offset(picture, to.x0 + x, to.y0 + y);
#pragma unroll
  for (int c = 0; c < 3; ++c) rgb[c] = to_level(from[c * plane] * 255.0f);
}

void paste_tile(Device& device, DeviceTile tile, DeviceRect to, DevicePixels<uint8_t> picture) {
  const int width = to.x1 - to.x0, height = to.y1 - to.y0;
  if (picture.channels != 3 || width <= 0 || height <= 0 || to.x0 < 0 || to.y0 < 0 || to.x1 > picture.width ||
      to.y1 > picture.height || tile.x0 < 0 || tile.y0 < 0 || tile.x0 + width > tile.width ||
      tile.y0 + height > tile.height)
    return device.note_error(fail(Code::internal, "paste_tile: ", width, "x", height, " pixels from ", tile.x0, ",",
                                  tile.y0, " of ", tile.width, "x", tile.height, " to ", to.x0, ",", to.y0, " of ",
                                  picture.width, "x", picture.height));
  gpu::launch(device, "paste_tile", paste_tile_kernel, picture_grid(width, height), kPictureBlock, 0,
              tile.planes + static_cast<int64_t>(tile.y0) * tile.width + tile.x0,
              static_cast<int64_t>(tile.width) * tile.height, tile.width, to, picture);
}

}  // namespace

void set_tile_kernels(PictureKernels* table) {
  table->cut_tile = cut_tile;
  table->paste_tile = paste_tile;
}

}  // namespace gpen::GPEN_GPU_NS
