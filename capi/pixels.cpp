#include "capi/pixels.h"

#include <cstdint>
#include <limits>

#include "capi/entry.h"
#include "pipeline/samples.h"

namespace gpen::capi {
namespace {

struct Order {
  int channels, red, green, blue, alpha;  // alpha -1: none
};
constexpr Order kOrders[] = {{3, 0, 1, 2, -1}, {3, 2, 1, 0, -1}, {4, 0, 1, 2, 3}, {4, 2, 1, 0, 3}, {1, 0, 0, 0, -1}};

// C callers may put any number into an enum.
const Order* order_of(gpen_format format) {
  const auto index = static_cast<unsigned>(format);
  return index < std::size(kOrders) ? &kOrders[index] : nullptr;
}

Status check_geometry(const void* data, int32_t width, int32_t height, ptrdiff_t stride, gpen_format format,
                      const char* name) {
  const Order* order = order_of(format);
  if (order == nullptr) return fail(Code::usage, name, "->format is ", static_cast<int>(format), ", which is none");
  GPEN_RETURN_IF_ERROR(need(data, concat(name, "->data").c_str()));
  if (width < 1 || height < 1) return fail(Code::usage, name, " is ", width, "x", height, " pixels");
  const int64_t row = int64_t{width} * order->channels;
  // Both neighbours of the most negative number can be negated.
  if (stride != 0 && (stride < 0 ? -(stride + 1) < row - 1 : stride < row))
    return fail(Code::usage, name, "->stride is ", stride, " bytes, a row of ", width, " pixels has ", row);
  if (row > std::numeric_limits<ptrdiff_t>::max() / height ||
      (stride != 0 && (stride < 0 ? -(stride + 1) : stride) > std::numeric_limits<ptrdiff_t>::max() / height - 1))
    return fail(Code::usage, name, " is larger than the memory of any machine");
  return {};
}

ptrdiff_t stride_of(ptrdiff_t stride, int32_t width, const Order& order) {
  return stride != 0 ? stride : ptrdiff_t{width} * order.channels;
}

}  // namespace

Status check_image(const gpen_image* image, const char* name) {
  GPEN_RETURN_IF_ERROR(need(image, name));
  return check_geometry(image->data, image->width, image->height, image->stride, image->format, name);
}

Result<Image> to_image(const gpen_image* from, const char* name) {
  GPEN_RETURN_IF_ERROR(check_image(from, name));
  const Order& order = *order_of(from->format);
  const ptrdiff_t stride = stride_of(from->stride, from->width, order);
  Image image(from->width, from->height);
  image.was_gray = from->format == GPEN_FORMAT_GRAY;
  if (order.alpha >= 0) image.alpha.resize(static_cast<size_t>(image.pixels()));
  uint8_t* rgb = image.rgb.data();
  uint8_t* alpha = image.alpha.data();
  for (int32_t y = 0; y < from->height; ++y) {
    const uint8_t* pixel = from->data + y * stride;
    for (int32_t x = 0; x < from->width; ++x, pixel += order.channels, rgb += 3) {
      rgb[0] = pixel[order.red];
      rgb[1] = pixel[order.green];
      rgb[2] = pixel[order.blue];
      if (order.alpha >= 0) *alpha++ = pixel[order.alpha];
    }
  }
  return image;
}

Status copy_out(const Image& from, const gpen_image_buffer* to, const char* name) {
  GPEN_RETURN_IF_ERROR(need(to, name));
  GPEN_RETURN_IF_ERROR(check_geometry(to->data, to->width, to->height, to->stride, to->format, name));
  if (to->width != from.width || to->height != from.height)
    return fail(Code::usage, name, " is ", to->width, "x", to->height, " pixels, the picture is ", from.width, "x",
                from.height);
  const Order& order = *order_of(to->format);
  const ptrdiff_t stride = stride_of(to->stride, to->width, order);
  const uint8_t* rgb = from.rgb.data();
  const uint8_t* alpha = from.alpha.empty() ? nullptr : from.alpha.data();
  for (int32_t y = 0; y < to->height; ++y) {
    uint8_t* pixel = to->data + y * stride;
    for (int32_t x = 0; x < to->width; ++x, pixel += order.channels, rgb += 3) {
      if (order.channels == 1) {
        *pixel = static_cast<uint8_t>(luma(rgb[0], rgb[1], rgb[2]));
        continue;
      }
      pixel[order.red] = rgb[0];
      pixel[order.green] = rgb[1];
      pixel[order.blue] = rgb[2];
      if (order.alpha >= 0) pixel[order.alpha] = alpha != nullptr ? *alpha++ : 255;
    }
  }
  return {};
}

}  // namespace gpen::capi

using namespace gpen;
using namespace gpen::capi;

int32_t gpen_format_channels(gpen_format format) {
  const Order* order = order_of(format);
  return order != nullptr ? order->channels : 0;
}

gpen_status gpen_image_convert(const gpen_image* from, const gpen_image_buffer* to) {
  return entry([&]() -> Status {
    GPEN_ASSIGN(const Image image, to_image(from, "from"));
    return copy_out(image, to, "to");
  });
}
