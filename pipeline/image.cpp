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
#include "pipeline/jpeg_metadata.h"
#include "pipeline/jpeg_writer.h"
#include "pipeline/png_chunks.h"
#include "pipeline/png_writer.h"
#include "pipeline/samples.h"
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

// The file's metadata; its orientation is applied to the picture and noted as done.
void keep_metadata(Metadata metadata, Image* image) {
  image->orientation = exif_orientation(metadata.exif);
  if (image->orientation != 1) {
    apply_orientation(image, image->orientation);
    set_upright_exif(&metadata.exif);
    set_upright_xmp(&metadata.xmp);
    if (image->orientation >= 5) std::swap(metadata.density.x, metadata.density.y);
  }
  image->metadata = std::make_shared<const Metadata>(std::move(metadata));
}

// Why stb_image gave up, after `what`.
Status not_decoded(const std::string& what, ImageFormat format) {
  if (stb_lacked_memory()) return fail(Code::memory, "out of memory while reading a ", name_of(format));
  return fail(Code::io, what, name_of(format), " file: ", stbi_failure_reason());
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
  if (format == ImageFormat::jpg) {
    GPEN_RETURN_IF_ERROR(check_jpeg_process(file));
    GPEN_RETURN_IF_ERROR(check_jpeg_tables(file));
  }

  const int length = static_cast<int>(file.size());
  int width = 0, height = 0, channels = 0;
  constexpr size_t kSlack = size_t{16} << 20;
  set_stb_allocation_limit(kSlack);  // the header alone needs little
  if (stbi_info_from_memory(file.data(), length, &width, &height, &channels) == 0)
    return not_decoded("not a readable ", format);
  GPEN_RETURN_IF_ERROR(check_size(width, height, options));
  if (format == ImageFormat::bmp) GPEN_RETURN_IF_ERROR(check_bmp_complete(file));

  Image image(width, height);
  image.format = format;
  // Four channels of 16 bits, twice (the inflate buffer doubles), and the compressed data itself.
  set_stb_allocation_limit(kSlack + static_cast<size_t>(image.pixels()) * 16 + 4 * file.size());
  image.was_16_bit = format == ImageFormat::png && stbi_is_16_bit_from_memory(file.data(), length) != 0;
  if (image.was_16_bit) {
    Decoded<uint16_t> pixels(stbi_load_16_from_memory(file.data(), length, &width, &height, &channels, 0));
    if (!pixels) return not_decoded("damaged or cut off ", format);
    fill(&image, pixels.get(), channels, [](uint16_t v) { return to_eight_bits(v); });
    image.deep = std::make_shared<const DeepSamples>(deep_samples(pixels.get(), image.pixels(), channels));
  } else if (format == ImageFormat::jpg && is_plain_cmyk_jpeg(file)) {
    Decoded<uint8_t> inks(decode_jpeg_components(file.data(), length, &width, &height));
    if (!inks) return not_decoded("damaged or cut off ", format);
    for (size_t i = 0; i < image.rgb.size(); ++i) {
      const uint8_t* cmyk = inks.get() + 4 * (i / 3);
      image.rgb[i] = static_cast<uint8_t>(((255 - cmyk[i % 3]) * (255 - cmyk[3]) + 127) / 255);
    }
  } else {
    Decoded<uint8_t> pixels(stbi_load_from_memory(file.data(), length, &width, &height, &channels, 0));
    if (!pixels) return not_decoded("damaged or cut off ", format);
    fill(&image, pixels.get(), channels, [](uint8_t v) { return v; });
  }
  if (format == ImageFormat::jpg) keep_metadata(read_jpeg_metadata(file), &image);
  if (format == ImageFormat::png) keep_metadata(read_png_metadata(file), &image);
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
  ImageSize size;
  GPEN_ASSIGN(size.format, sniff_image_format(file));
  if (size.format == ImageFormat::jpg) {
    GPEN_RETURN_IF_ERROR(check_jpeg_tables(file));
    size.progressive = is_progressive_jpeg(file);
  }
  if (size.format == ImageFormat::png && file.size() >= 26) {
    const uint32_t width = big_endian_u32(file, 16), height = big_endian_u32(file, 20);
    constexpr uint32_t kMost = std::numeric_limits<int>::max();
    if (width > kMost || height > kMost) return fail(Code::io, "not a readable png file: its size is not possible");
    if (width > 0 && height > 0) {
      size.width = static_cast<int>(width);
      size.height = static_cast<int>(height);
      size.sixteen_bits = file[24] == 16;
      const bool gray = file[25] == 0 || file[25] == 4;
      size.channels = gray ? 2 : 4;
      return size;
    }
  }
  set_stb_allocation_limit(size_t{16} << 20);
  if (stbi_info_from_memory(file.data(), static_cast<int>(file.size()), &size.width, &size.height, &size.channels) == 0)
    return fail(Code::io, "not a readable ", name_of(size.format), " file: ", stbi_failure_reason());
  if (size.width < 1 || size.height < 1) return fail(Code::io, "the picture has no pixels");
  return size;
}

Result<ImageSize> image_size(const std::filesystem::path& path) {
  // Most pictures tell it at once; a JPEG may carry profiles, previews and texts before its size.
  for (size_t bytes = size_t{64} << 10;; bytes *= 16) {
    GPEN_ASSIGN(const std::vector<uint8_t> file, read_beginning(path, bytes));
    Result<ImageSize> size = image_size(file);
    if (size.ok() || file.size() < bytes || bytes >= size_t{16} << 20) {
      if (!size.ok()) return size.status().in(path.string());
      return size;
    }
  }
}

int64_t decoding_bytes(const ImageSize& size, uint64_t file_bytes) {
  const int64_t depth = size.sixteen_bits ? 2 : 1, decoded = size.channels * depth;
  // The picture's colours are there from the start. The decoder has its own form of the pixels and its result; then the
  // result is split into colour, alpha and the samples of 16 bits.
  int64_t per_pixel = 3 + std::max(2 * decoded, decoded + 1 + (size.sixteen_bits ? 8 : 0));
  if (size.progressive) per_pixel += 2 * size.channels;
  // A PNG's compressed data are put together in a buffer that doubles as it grows.
  const int64_t copies = size.format == ImageFormat::png ? 3 : 1;
  const LoadOptions limits;
  return size.pixels() * per_pixel +
         copies * static_cast<int64_t>(std::min<uint64_t>(file_bytes, limits.max_file_bytes));
}

int64_t held_bytes(const Image& image) {
  size_t bytes = image.rgb.size() + image.alpha.size();
  if (image.deep != nullptr) bytes += sizeof(uint16_t) * (image.deep->rgb.size() + image.deep->alpha.size());
  return static_cast<int64_t>(bytes);
}

Result<Image> load_image(const std::filesystem::path& path, const LoadOptions& options) {
  GPEN_ASSIGN(const std::vector<uint8_t> file, read_file(path, options.max_file_bytes));
  return load_image(file, path.string(), options);
}

namespace {

bool writes_gray(const Image& image, ImageFormat format, const SaveOptions& options) {
  return options.keep_gray && image.was_gray && format != ImageFormat::bmp;
}

Result<std::vector<uint8_t>> write_bmp(const Image& image, const Density& density) {
  const bool with_alpha = !image.alpha.empty();
  const int channels = with_alpha ? 4 : 3;
  // stb counts in int: an uncompressed row more per line keeps every intermediate sum below 2^31.
  if ((int64_t{image.width} * channels + 4) * image.height > std::numeric_limits<int>::max() / 2)
    return fail(Code::io, "a picture of ", image.width, "x", image.height, " pixels is too large to be written");
  const std::vector<uint8_t> rgba = with_alpha ? interleave_alpha(image) : std::vector<uint8_t>();
  std::vector<uint8_t> out;
  const StbWriterGuard release;
  if (stbi_write_bmp_to_func(append_bytes, &out, image.width, image.height, channels,
                             with_alpha ? rgba.data() : image.rgb.data()) == 0)
    return fail(Code::memory, "out of memory while writing a bmp");
  if (!density.empty() && density.unit != Density::Unit::none) {
    const Density d = converted(density, Density::Unit::metre);
    for (size_t i = 0; i < 4; ++i) {
      out[38 + i] = static_cast<uint8_t>(d.x >> 8 * i);
      out[42 + i] = static_cast<uint8_t>(d.y >> 8 * i);
    }
  }
  return out;
}

}  // namespace

Result<std::vector<uint8_t>> encode_image(const Image& image, ImageFormat format, const SaveOptions& options) {
  if (image.empty()) return fail(Code::io, "a picture without pixels cannot be written");
  if (options.quality < 1 || options.quality > 100)
    return fail(Code::usage, "quality ", options.quality, " is not between 1 and 100");
  const Metadata none;
  const Metadata& all = image.metadata == nullptr ? none : *image.metadata;
  Metadata colours = options.strip_metadata ? colours_of(all) : none;
  colours.density = all.density;
  const Metadata& metadata = options.strip_metadata ? colours : all;
  const bool gray = writes_gray(image, format, options);
  switch (format) {
    case ImageFormat::png:
      return write_png(image, gray, metadata);
    case ImageFormat::jpg:
      return write_jpeg(image, gray, options.quality, metadata);
    case ImageFormat::bmp:
      return write_bmp(image, metadata.density);
  }
  return fail(Code::internal, "unknown picture format");
}

std::vector<std::string> lost_on_saving(const Image& image, ImageFormat format, const SaveOptions& options) {
  std::vector<std::string> lost;
  if (drops_alpha(image, format)) lost.push_back("JPEG has no transparency: it is dropped");
  if (sixteen_bits(image) && format != ImageFormat::png)
    lost.push_back("the picture's 16 bits per channel were reduced to 8: only PNG keeps them");
  if (options.keep_gray && image.was_gray && format == ImageFormat::bmp)
    lost.push_back("a BMP is written with three channels, also for a gray picture");
  if (image.metadata == nullptr) return lost;
  const Metadata metadata = options.strip_metadata ? colours_of(*image.metadata) : *image.metadata;
  const int channels = writes_gray(image, format, options) ? 1 : 3;
  const std::vector<std::string> more = format == ImageFormat::png   ? lost_in_png(metadata, channels)
                                        : format == ImageFormat::jpg ? lost_in_jpeg(metadata, channels)
                                                                     : lost_in_bmp(metadata);
  lost.insert(lost.end(), more.begin(), more.end());
  return lost;
}

void inherit_file(const Image& from, Image* to) {
  to->format = from.format;
  to->was_gray = from.was_gray;
  to->was_16_bit = from.was_16_bit;
  to->orientation = from.orientation;
  to->metadata = from.metadata;
}

Status save_image(const Image& image, const std::filesystem::path& path, ImageFormat format,
                  const SaveOptions& options) {
  const Result<std::vector<uint8_t>> bytes = encode_image(image, format, options);
  if (!bytes.ok()) return bytes.status().in(path.string());
  return write_file(path, *bytes);
}

}  // namespace gpen
