// Picture files: gpen_picture_*, gpen_image_save(), gpen_image_encode().
#include <cstdlib>

#include "capi/entry.h"
#include "capi/pixels.h"

using namespace gpen;
using namespace gpen::capi;

struct gpen_picture {
  int32_t width = 0, height = 0;
  gpen_format format = GPEN_FORMAT_RGB;
  std::vector<uint8_t> pixels;  // without padding
};

namespace {

gpen_picture* make_picture(Image image) {
  auto picture = std::make_unique<gpen_picture>();
  picture->width = image.width;
  picture->height = image.height;
  if (image.alpha.empty()) {
    picture->pixels = std::move(image.rgb);
  } else {
    picture->format = GPEN_FORMAT_RGBA;
    picture->pixels.resize(image.alpha.size() * 4);
    const gpen_image_buffer to = {picture->pixels.data(), image.width, image.height, 0, GPEN_FORMAT_RGBA};
    (void)copy_out(image, &to, "picture");  // the sizes are the same
  }
  return picture.release();
}

Result<SaveOptions> save_options(int32_t quality) {
  SaveOptions options;
  if (quality != 0) options.quality = quality;
  if (options.quality < 1 || options.quality > 100)
    return fail(Code::usage, "quality ", quality, " is not between 1 and 100");
  return options;
}

}  // namespace

gpen_status gpen_picture_load(const char* path, gpen_picture** picture) {
  if (picture != nullptr) *picture = nullptr;
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(picture, "picture"));
    GPEN_RETURN_IF_ERROR(need(path, "path"));
    GPEN_ASSIGN(Image image, load_image(std::filesystem::path(path)));
    *picture = make_picture(std::move(image));
    return {};
  });
}

gpen_status gpen_picture_decode(const void* file, size_t bytes, const char* name, gpen_picture** picture) {
  if (picture != nullptr) *picture = nullptr;
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(picture, "picture"));
    if (bytes > 0) GPEN_RETURN_IF_ERROR(need(file, "file"));
    const std::span<const uint8_t> content(static_cast<const uint8_t*>(file), bytes);
    GPEN_ASSIGN(Image image, load_image(content, name != nullptr ? name : "the picture in memory"));
    *picture = make_picture(std::move(image));
    return {};
  });
}

gpen_status gpen_picture_image(const gpen_picture* picture, gpen_image* image) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(picture, "picture"));
    GPEN_RETURN_IF_ERROR(need(image, "image"));
    *image = {picture->pixels.data(), picture->width, picture->height, 0, picture->format};
    return {};
  });
}

void gpen_picture_free(gpen_picture* picture) { delete picture; }

gpen_status gpen_image_save(const gpen_image* image, const char* path, int32_t quality) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(path, "path"));
    const std::filesystem::path file(path);
    const Result<ImageFormat> format = parse_image_format(file.extension().string());
    if (!format.ok()) return format.status().in(path);
    GPEN_ASSIGN(const SaveOptions options, save_options(quality));
    GPEN_ASSIGN(const Image pixels, to_image(image, "image"));
    return save_image(pixels, file, *format, options);
  });
}

gpen_status gpen_image_encode(const gpen_image* image, gpen_file_format format, int32_t quality, uint8_t** file,
                              size_t* bytes) {
  if (file != nullptr) *file = nullptr;
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(file, "file"));
    GPEN_RETURN_IF_ERROR(need(bytes, "bytes"));
    const auto index = static_cast<unsigned>(format);
    constexpr ImageFormat kFormats[] = {ImageFormat::png, ImageFormat::jpg, ImageFormat::bmp};
    if (index >= std::size(kFormats)) return fail(Code::usage, "format ", index, " is none");
    GPEN_ASSIGN(const SaveOptions options, save_options(quality));
    GPEN_ASSIGN(const Image pixels, to_image(image, "image"));
    GPEN_ASSIGN(const std::vector<uint8_t> encoded, encode_image(pixels, kFormats[index], options));
    // malloc: gpen_free() takes memory without knowing its size.
    auto* memory = static_cast<uint8_t*>(std::malloc(encoded.size()));
    if (memory == nullptr) return fail(Code::memory, "out of memory for ", encoded.size(), " bytes of picture");
    std::memcpy(memory, encoded.data(), encoded.size());
    *file = memory;
    *bytes = encoded.size();
    return {};
  });
}
