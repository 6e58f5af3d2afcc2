#include "pipeline/image.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <memory>

#define STBI_NO_STDIO
#include <stb_image.h>
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

#include "pipeline/exif.h"
#include "pipeline/file_io.h"
#include "pipeline/jpeg_markers.h"
#include "pipeline/stb_limits.h"

namespace gpen {

namespace {

using Bytes = std::span<const uint8_t>;

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Decoded = std::unique_ptr<T, FreeMemory>;

uint32_t little_endian(Bytes b, size_t at, size_t count) {
  uint32_t v = 0;
  for (size_t i = 0; i < count; ++i) v |= uint32_t{b[at + i]} << (8 * i);
  return v;
}

uint32_t big_endian_u32(Bytes b, size_t at) {
  uint32_t v = 0;
  for (size_t i = 0; i < 4; ++i) v = v << 8 | b[at + i];
  return v;
}

// stb_image reads zeros behind the end of a BMP; the header says how many bytes there must be.
Status check_bmp_complete(Bytes file) {
  if (file.size() < 26) return fail(Code::io, "the BMP header is cut off");
  const uint32_t header = little_endian(file, 14, 4);
  const bool old = header == 12;  // OS/2 1.x
  if (!old && file.size() < 54) return fail(Code::io, "the BMP header is cut off");
  const int64_t width = old ? little_endian(file, 18, 2) : std::abs(int64_t{int32_t(little_endian(file, 18, 4))});
  const int64_t height = old ? little_endian(file, 20, 2) : std::abs(int64_t{int32_t(little_endian(file, 22, 4))});
  const int64_t bits = little_endian(file, old ? 24 : 28, 2);
  const int64_t pixels_at = little_endian(file, 10, 4);
  const int64_t row_bytes = (width * std::min<int64_t>(bits, 32) + 31) / 32 * 4;
  if (height > 0 && row_bytes > (static_cast<int64_t>(file.size()) - pixels_at) / height)
    return fail(Code::io, "the BMP file is cut off: ", width, "x", height, " pixels need more than its ", file.size(),
                " bytes");
  return Status();
}

Status check_size(int64_t width, int64_t height, const LoadOptions& options) {
  if (width < 1 || height < 1) return fail(Code::io, "the picture has no pixels");
  if (width > options.max_side || height > options.max_side)
    return fail(Code::io, "the picture is ", width, "x", height, " pixels, the limit is ", options.max_side,
                " on each side");
  if (width * height > options.max_pixels)
    return fail(Code::io, "the picture is ", width, "x", height, " = ", (width * height + 999'999) / 1'000'000,
                " megapixels, the limit is ", options.max_pixels / 1'000'000, " megapixels");
  return Status();
}

// Splits 1 to 4 interleaved channels (gray, gray + alpha, RGB, RGBA) into colour and alpha.
template <class T, class Reduce>
void fill(Image* image, const T* pixels, int channels, Reduce reduce) {
  const size_t count = static_cast<size_t>(image->pixels());
  const bool gray = channels <= 2, with_alpha = channels == 2 || channels == 4;
  image->was_gray = gray;
  image->alpha.resize(with_alpha ? count : 0);
  for (size_t i = 0; i < count; ++i, pixels += channels) {
    for (int c = 0; c < 3; ++c) image->rgb[3 * i + static_cast<size_t>(c)] = reduce(pixels[gray ? 0 : c]);
    if (with_alpha) image->alpha[i] = reduce(pixels[channels - 1]);
  }
}

Result<Image> decode(Bytes file, const LoadOptions& options) {
  if (file.empty()) return fail(Code::io, "the file is empty (0 bytes)");
  if (file.size() > std::min<size_t>(options.max_file_bytes, std::numeric_limits<int>::max()))
    return fail(Code::io, "the file has ", file.size(), " bytes, more than the limit of ", options.max_file_bytes);
  GPEN_ASSIGN(const ImageFormat format, sniff_image_format(file));
  // stb_image refuses some sizes itself, as if the file were damaged: a PNG's size is read here first (IHDR is the
  // first chunk).
  if (format == ImageFormat::png && file.size() >= 24)
    GPEN_RETURN_IF_ERROR(check_size(big_endian_u32(file, 16), big_endian_u32(file, 20), options));

  // Before stb_image sees the file at all: asked for the size, it reads the tables too.
  if (format == ImageFormat::jpg) GPEN_RETURN_IF_ERROR(check_jpeg_tables(file));

  const int length = static_cast<int>(file.size());
  int width = 0, height = 0, channels = 0;
  constexpr size_t kSlack = size_t{16} << 20;
  set_stb_allocation_limit(kSlack);  // the header alone needs little
  if (stbi_info_from_memory(file.data(), length, &width, &height, &channels) == 0)
    return fail(Code::io, "not a readable ", name_of(format), " file: ", stbi_failure_reason());
  GPEN_RETURN_IF_ERROR(check_size(width, height, options));
  if (format == ImageFormat::bmp) GPEN_RETURN_IF_ERROR(check_bmp_complete(file));

  Image image(width, height);
  image.format = format;
  // Four channels of 16 bits, twice (the inflate buffer doubles), and the compressed data itself.
  set_stb_allocation_limit(kSlack + static_cast<size_t>(image.pixels()) * 16 + 4 * file.size());
  image.was_16_bit = format == ImageFormat::png && stbi_is_16_bit_from_memory(file.data(), length) != 0;
  if (image.was_16_bit) {
    Decoded<uint16_t> pixels(stbi_load_16_from_memory(file.data(), length, &width, &height, &channels, 0));
    if (!pixels) return fail(Code::io, "damaged or cut off png file: ", stbi_failure_reason());
    fill(&image, pixels.get(), channels, [](uint16_t v) { return static_cast<uint8_t>((v + 128u) / 257u); });
  } else {
    Decoded<uint8_t> pixels(stbi_load_from_memory(file.data(), length, &width, &height, &channels, 0));
    if (!pixels) return fail(Code::io, "damaged or cut off ", name_of(format), " file: ", stbi_failure_reason());
    fill(&image, pixels.get(), channels, [](uint8_t v) { return v; });
  }
  if (format == ImageFormat::jpg) {
    image.orientation = jpeg_orientation(file);
    apply_orientation(&image, image.orientation);
  }
  return image;
}

void append_bytes(void* context, void* data, int size) {
  auto* out = static_cast<std::vector<uint8_t>*>(context);
  const auto* bytes = static_cast<const uint8_t*>(data);
  out->insert(out->end(), bytes, bytes + size);
}

std::vector<uint8_t> interleave_alpha(const Image& image) {
  std::vector<uint8_t> rgba(static_cast<size_t>(image.pixels()) * 4);
  for (size_t i = 0; i < image.alpha.size(); ++i) {
    std::copy_n(image.rgb.data() + 3 * i, 3, rgba.data() + 4 * i);
    rgba[4 * i + 3] = image.alpha[i];
  }
  return rgba;
}

}  // namespace

const char* name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "png";
    case ImageFormat::jpg:
      return "jpg";
    case ImageFormat::bmp:
      return "bmp";
  }
  return "?";
}

Result<ImageFormat> parse_image_format(const std::string& name) {
  std::string s;
  for (char c : name)
    if (c != '.' || !s.empty()) s += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (s == "png") return ImageFormat::png;
  if (s == "jpg" || s == "jpeg" || s == "jpe" || s == "jfif") return ImageFormat::jpg;
  if (s == "bmp") return ImageFormat::bmp;
  return fail(Code::usage, "'", name, "' is not a picture format that can be written (png, jpg, bmp)");
}

Result<ImageFormat> sniff_image_format(Bytes file) {
  constexpr uint8_t kPng[] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};
  if (file.size() >= 8 && std::equal(kPng, kPng + 8, file.begin())) return ImageFormat::png;
  if (file.size() >= 3 && file[0] == 0xFF && file[1] == 0xD8 && file[2] == 0xFF) return ImageFormat::jpg;
  if (file.size() >= 2 && file[0] == 'B' && file[1] == 'M') return ImageFormat::bmp;
  return fail(Code::io, "not a picture: neither PNG, JPEG nor BMP");
}

Result<Image> load_image(Bytes file, const std::string& name, const LoadOptions& options) {
  Result<Image> image = decode(file, options);
  if (!image.ok()) return image.status().in(name);
  return image;
}

Result<ImageSize> image_size(Bytes file) {
  if (file.empty()) return fail(Code::io, "the file is empty (0 bytes)");
  if (file.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return fail(Code::io, "the file has ", file.size(), " bytes");
  GPEN_ASSIGN(const ImageFormat format, sniff_image_format(file));
  if (format == ImageFormat::jpg) GPEN_RETURN_IF_ERROR(check_jpeg_tables(file));
  if (format == ImageFormat::png && file.size() >= 24) {
    const uint32_t width = big_endian_u32(file, 16), height = big_endian_u32(file, 20);
    constexpr uint32_t kMost = std::numeric_limits<int>::max();
    if (width > kMost || height > kMost) return fail(Code::io, "not a readable png file: its size is not possible");
    if (width > 0 && height > 0) return ImageSize{static_cast<int>(width), static_cast<int>(height)};
  }
  ImageSize size;
  int channels = 0;
  set_stb_allocation_limit(size_t{16} << 20);
  if (stbi_info_from_memory(file.data(), static_cast<int>(file.size()), &size.width, &size.height, &channels) == 0)
    return fail(Code::io, "not a readable ", name_of(format), " file: ", stbi_failure_reason());
  if (size.width < 1 || size.height < 1) return fail(Code::io, "the picture has no pixels");
  return size;
}

Result<Image> load_image(const std::filesystem::path& path, const LoadOptions& options) {
  GPEN_ASSIGN(const std::vector<uint8_t> file, read_file(path, options.max_file_bytes));
  return load_image(file, path.string(), options);
}

Result<std::vector<uint8_t>> encode_image(const Image& image, ImageFormat format, const SaveOptions& options) {
  if (image.empty()) return fail(Code::io, "a picture without pixels cannot be written");
  if (options.quality < 1 || options.quality > 100)
    return fail(Code::usage, "quality ", options.quality, " is not between 1 and 100");
  const bool with_alpha = !image.alpha.empty() && !drops_alpha(image, format);
  const int channels = with_alpha ? 4 : 3;
  // stb counts in int: an uncompressed row more per line keeps every intermediate sum below 2^31.
  if ((int64_t{image.width} * channels + 4) * image.height > std::numeric_limits<int>::max() / 2)
    return fail(Code::io, "a picture of ", image.width, "x", image.height, " pixels is too large to be written");
  if (format == ImageFormat::jpg && (image.width > 65535 || image.height > 65535))
    return fail(Code::io, "JPEG cannot hold ", image.width, "x", image.height, " pixels (65535 at most): use PNG");

  const std::vector<uint8_t> rgba = with_alpha ? interleave_alpha(image) : std::vector<uint8_t>();
  const uint8_t* pixels = with_alpha ? rgba.data() : image.rgb.data();
  std::vector<uint8_t> out;
  int ok = 0;
  switch (format) {
    case ImageFormat::png:
      ok = stbi_write_png_to_func(append_bytes, &out, image.width, image.height, channels, pixels,
                                  image.width * channels);
      break;
    case ImageFormat::jpg:
      ok = stbi_write_jpg_to_func(append_bytes, &out, image.width, image.height, channels, pixels, options.quality);
      break;
    case ImageFormat::bmp:
      ok = stbi_write_bmp_to_func(append_bytes, &out, image.width, image.height, channels, pixels);
      break;
  }
  if (ok == 0) return fail(Code::memory, "out of memory while writing a ", name_of(format));
  return out;
}

Status save_image(const Image& image, const std::filesystem::path& path, ImageFormat format,
                  const SaveOptions& options) {
  const Result<std::vector<uint8_t>> bytes = encode_image(image, format, options);
  if (!bytes.ok()) return bytes.status().in(path.string());
  return write_file(path, *bytes);
}

}  // namespace gpen
