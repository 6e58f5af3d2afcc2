#include "pipeline/device_background.h"

#include <algorithm>
#include <vector>

#include "kernels/gpu_kernels.h"

namespace gpen {

namespace {

int64_t pixels_read(const Tile& t) { return (t.read_y1 - t.read_y0) * (t.read_x1 - t.read_x0); }

// Of the largest tile's input.
size_t tile_input_bytes(const std::vector<Tile>& tiles) {
  int64_t most = 0;
  for (const Tile& t : tiles) most = std::max(most, pixels_read(t));
  return static_cast<size_t>(3 * most) * sizeof(float);
}

DeviceRect rect(int64_t y0, int64_t x0, int64_t y1, int64_t x1) {
  return {static_cast<int>(x0), static_cast<int>(y0), static_cast<int>(x1), static_cast<int>(y1)};
}

TensorView on_device(const DeviceBuffer& buffer, int64_t h, int64_t w) {
  TensorView view = make_view(buffer.floats(), 1, 3, h, w);
  view.on_device = true;
  return view;
}

Status upscale_tiles(RrdbNet& net, const DeviceImage& photo, const UpscaleOptions& options,
                     const std::vector<Tile>& tiles, DeviceImage* result) {
  Device& device = *photo.device();
  const PictureKernels& kernels = *device.kernels().picture;
  const int64_t scale = net.arch().scale;
  const size_t bytes = tile_input_bytes(tiles);
  GPEN_ASSIGN(const DeviceBuffer input, DeviceBuffer::make(photo.device(), bytes));
  GPEN_ASSIGN(const DeviceBuffer output,
              DeviceBuffer::make(photo.device(), bytes * static_cast<size_t>(scale * scale)));
  int done = 0;
  for (const Tile& t : tiles) {
    const TensorView in = on_device(input, t.read_y1 - t.read_y0, t.read_x1 - t.read_x0);
    const TensorView out = on_device(output, in.h * scale, in.w * scale);
    kernels.cut_tile(device, photo.pixels(), rect(t.read_y0, t.read_x0, t.read_y1, t.read_x1), input.floats());
    GPEN_RETURN_IF_ERROR(net.forward(in, out));
    const DeviceTile answer{output.floats(), static_cast<int>(out.w), static_cast<int>(out.h),
                            static_cast<int>((t.x0 - t.read_x0) * scale), static_cast<int>((t.y0 - t.read_y0) * scale)};
    kernels.paste_tile(device, answer, rect(t.y0 * scale, t.x0 * scale, t.y1 * scale, t.x1 * scale), result->pixels());
    ++done;
    if (options.progress && !options.progress(done, static_cast<int>(tiles.size())))
      return fail(Code::cancelled, "upscaling cancelled");
  }
  return device.finish();
}

}  // namespace

Status upscale_background(RrdbNet& net, const DeviceImage& photo, const UpscaleOptions& options, DeviceImage* result) {
  if (net.device() != photo.device())
    return fail(Code::internal, "the background upscaler is not on the device of the photo");
  const int scale = net.arch().scale;
  const size_t bytes = photo.elements() * static_cast<size_t>(scale) * static_cast<size_t>(scale);
  GPEN_RETURN_IF_ERROR(check_upscaling(photo.width(), photo.height(), scale, bytes, options));
  GPEN_RETURN_IF_ERROR(advise_tiles(result->set_size(photo.width() * scale, photo.height() * scale), options));
  const std::vector<Tile> tiles = net.tiles(photo.height(), photo.width(), options.tile);
  return advise_tiles(upscale_tiles(net, photo, options, tiles, result), options);
}

Status enlarge(const DeviceImage& photo, int scale, DeviceImage* result) {
  GPEN_RETURN_IF_ERROR(result->set_size(photo.width() * scale, photo.height() * scale));
  resize_bilinear(photo, result);
  return Status();
}

}  // namespace gpen
