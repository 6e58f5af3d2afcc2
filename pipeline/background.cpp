#include "pipeline/background.h"

#include <vector>

#include "pipeline/geometry.h"

namespace gpen {

namespace {

// [0,255] interleaved to [0,1] planar and back.
std::vector<float> to_unit_planes(const Image& photo, ThreadPool& pool) {
  std::vector<float> planes(photo.rgb.size());
  pool.parallel_for(photo.height, [&](int64_t y, int) {
    const uint8_t* row = photo.row(static_cast<int>(y));
    for (int64_t c = 0; c < 3; ++c) {
      float* to = planes.data() + c * photo.pixels() + y * photo.width;
      for (int64_t x = 0; x < photo.width; ++x) to[x] = static_cast<float>(row[3 * x + c]) / 255.0f;
    }
  });
  return planes;
}

void from_unit_planes(const std::vector<float>& planes, Image* picture, ThreadPool& pool) {
  pool.parallel_for(picture->height, [&](int64_t y, int) {
    uint8_t* row = picture->row(static_cast<int>(y));
    for (int64_t c = 0; c < 3; ++c) {
      const float* from = planes.data() + c * picture->pixels() + y * picture->width;
      for (int64_t x = 0; x < picture->width; ++x) row[3 * x + c] = to_byte(from[x] * 255.0f);
    }
  });
}

std::string megabytes(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MB"; }

}  // namespace

size_t upscale_bytes(int64_t width, int64_t height, int scale) {
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  const size_t enlarged = pixels * static_cast<size_t>(scale) * static_cast<size_t>(scale);
  return 3 * (pixels * sizeof(float) + enlarged * sizeof(float) + enlarged);
}

Status check_upscaling(int width, int height, int scale, size_t bytes, const UpscaleOptions& options) {
  if (width <= 0 || height <= 0) return fail(Code::usage, "upscaling: the photo is empty");
  if (options.tile < 0) return fail(Code::usage, "upscaling: tile of ", options.tile, " pixels, expected 0 or more");
  if (bytes > options.memory_limit)
    return fail(Code::memory, "upscaling ", width, "x", height, " by ", scale, " needs ", megabytes(bytes),
                ", the limit is ", megabytes(options.memory_limit));
  return Status();
}

Status advise_tiles(Status status, const UpscaleOptions& options) {
  if (status.code() != Code::memory || options.tile > 0) return status;
  return fail(Code::memory, "upscaling in one piece: ", status.message(), "; in tiles (--tile-size 512) it needs less");
}

Image enlarged_without_pixels(const Image& photo, int scale, ThreadPool& pool) {
  Image result;
  result.width = photo.width * scale;
  result.height = photo.height * scale;
  inherit_file(photo, &result);
  if (!photo.alpha.empty()) {
    result.alpha.resize(static_cast<size_t>(result.pixels()));
    resize_bilinear(Pixels<const uint8_t>{photo.alpha.data(), photo.width, photo.height, 1},
                    Pixels<uint8_t>{result.alpha.data(), result.width, result.height, 1}, pool);
  }
  return result;
}

Result<Image> upscale_background(RrdbNet& net, const Image& photo, const UpscaleOptions& options, ThreadPool& pool) {
  const int scale = net.arch().scale;
  GPEN_RETURN_IF_ERROR(
      check_upscaling(photo.width, photo.height, scale, upscale_bytes(photo.width, photo.height, scale), options));
  std::vector<float> input = to_unit_planes(photo, pool);
  std::vector<float> output(input.size() * static_cast<size_t>(scale) * static_cast<size_t>(scale));
  const TensorView from = make_view(input.data(), 1, 3, photo.height, photo.width);
  const TensorView to = make_view(output.data(), 1, 3, int64_t{photo.height} * scale, int64_t{photo.width} * scale);
  GPEN_RETURN_IF_ERROR(advise_tiles(net.upscale(from, to, options.tile, options.progress), options));
  Image result = enlarged_without_pixels(photo, scale, pool);
  result.rgb.resize(static_cast<size_t>(result.pixels()) * 3);
  from_unit_planes(output, &result, pool);
  return result;
}

Image enlarge(const Image& photo, int scale, ThreadPool& pool) {
  return resize_bilinear(photo, photo.width * scale, photo.height * scale, pool);
}

}  // namespace gpen
