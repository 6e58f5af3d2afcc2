#include "app/serve/final_size.h"

#include <algorithm>
#include <cmath>

#include "pipeline/geometry.h"

namespace gpen::serve {
namespace {

// No picture is that large; what is more would not fit an int.
constexpr double kMostSide = 1 << 30;

int side(double v) { return static_cast<int>(std::lround(std::clamp(v, 1.0, kMostSide))); }

// Of the same shape as `like`, without any pixels yet.
Image empty_picture(const Image& like, int width, int height) {
  Image out(width, height);
  if (!like.alpha.empty()) out.alpha.resize(static_cast<size_t>(width) * static_cast<size_t>(height));
  return out;
}

// The middle of the picture.
Image cut_out(const Image& from, int width, int height) {
  Image out = empty_picture(from, width, height);
  const int x0 = (from.width - width) / 2, y0 = (from.height - height) / 2;
  for (int y = 0; y < height; ++y) {
    std::copy_n(from.row(y0 + y) + 3 * x0, 3 * width, out.row(y));
    if (!from.alpha.empty())
      std::copy_n(from.alpha.data() + int64_t{y0 + y} * from.width + x0, width, out.alpha.data() + int64_t{y} * width);
  }
  return out;
}

// Every pixel from the one that its middle falls on.
Image resize_nearest(const Image& from, int width, int height) {
  Image out = empty_picture(from, width, height);
  const auto source = [](int i, int to, int size) {
    return static_cast<int>((2 * int64_t{i} + 1) * size / (2 * int64_t{to}));
  };
  for (int y = 0; y < height; ++y) {
    const int from_y = source(y, height, from.height);
    for (int x = 0; x < width; ++x) {
      const int from_x = source(x, width, from.width);
      std::copy_n(from.row(from_y) + 3 * from_x, 3, out.row(y) + 3 * x);
      if (!from.alpha.empty())
        out.alpha[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)] =
            from.alpha[static_cast<size_t>(from_y) * static_cast<size_t>(from.width) + static_cast<size_t>(from_x)];
    }
  }
  return out;
}

}  // namespace

ImageSize FinalSize::of(int photo_width, int photo_height) const {
  if (factor > 0) return {side(photo_width * factor), side(photo_height * factor)};
  if (crop) return {width, height};
  const double scale = std::max(double(width) / photo_width, double(height) / photo_height);
  return {side(photo_width * scale), side(photo_height * scale)};
}

Status FinalSize::check(int photo_width, int photo_height, int64_t max_pixels) const {
  const ImageSize size = of(photo_width, photo_height);
  if (int64_t{size.width} * size.height <= max_pixels && std::max(size.width, size.height) <= LoadOptions().max_side)
    return {};
  return fail(Code::usage, factor > 0 ? "upscaling_resize" : "upscaling_resize_w, upscaling_resize_h",
              ": the result would be too large: ", size.width, "x", size.height);
}

Image FinalSize::apply(const Image& image, int photo_width, int photo_height, ThreadPool& pool) const {
  const ImageSize to = of(photo_width, photo_height);
  const auto resized = [&](const Image& from) {
    return nearest ? resize_nearest(from, to.width, to.height) : resize_bilinear(from, to.width, to.height, pool);
  };
  if (factor > 0 || !crop) return resized(image);
  // Cut first: the whole picture in this scale may have thousands of times the pixels of what is left of it.
  const double scale = std::max(double(width) / image.width, double(height) / image.height);
  return resized(
      cut_out(image, std::min(image.width, side(width / scale)), std::min(image.height, side(height / scale))));
}

}  // namespace gpen::serve
