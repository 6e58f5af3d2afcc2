// Pictures in and out: PNG, JPEG and BMP, told apart by content, through stb_image and stb_image_write.
//
// Files are hostile until decoded: size caps are checked from the header before any pixel is decoded, and the decoder
// is given no more memory than a picture of that size needs (a small file cannot ask for gigabytes).
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace gpen {

enum class ImageFormat { png, jpg, bmp };
const char* name_of(ImageFormat format);  // "png", "jpg", "bmp"
// From a name ("jpg", "JPEG") or a path's extension (".jpg"). Code::usage when it is none of them.
Result<ImageFormat> parse_image_format(const std::string& name);
// By the first bytes. Code::io when it is none of them.
Result<ImageFormat> sniff_image_format(std::span<const uint8_t> file);

// An 8-bit RGB picture, rows from top to bottom, pixels interleaved without padding.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;    // height * width * 3
  std::vector<uint8_t> alpha;  // height * width, or empty: opaque
  // What the file was, for reports; the pixels above are already RGB, 8 bits and upright.
  ImageFormat format = ImageFormat::png;
  bool was_gray = false;
  bool was_16_bit = false;
  int orientation = 1;  // EXIF value that was applied

  Image() = default;
  Image(int w, int h) : width(w), height(h), rgb(static_cast<size_t>(w) * static_cast<size_t>(h) * 3) {}
  bool empty() const { return width <= 0 || height <= 0; }
  int64_t pixels() const { return int64_t{width} * height; }
  uint8_t* row(int y) { return rgb.data() + int64_t{y} * width * 3; }
  const uint8_t* row(int y) const { return rgb.data() + int64_t{y} * width * 3; }
};

struct LoadOptions {
  int64_t max_pixels = 100'000'000;
  int max_side = 32767;
  size_t max_file_bytes = size_t{1} << 30;
};

// Gray becomes three equal channels; alpha is set aside; 16 bits are reduced to 8 by rounding; a JPEG's EXIF
// orientation is applied. Code::io with a message that names the file (`name` for memory) and the reason.
Result<Image> load_image(const std::filesystem::path& path, const LoadOptions& options = {});
Result<Image> load_image(std::span<const uint8_t> file, const std::string& name, const LoadOptions& options = {});

// What the file's header says, before any pixel is decoded; a JPEG's orientation is not applied. Code::io as of
// load_image(), which may still find the rest of the file damaged. No limit on the size is checked.
struct ImageSize {
  int width = 0, height = 0;
};
Result<ImageSize> image_size(std::span<const uint8_t> file);

struct SaveOptions {
  int quality = 95;  // JPEG, 1 to 100
};

// PNG and BMP keep alpha; JPEG has none and drops it (drops_alpha() says so beforehand). The file appears complete or
// not at all. Code::io "FILE: reason", Code::usage for a quality outside 1 to 100.
Status save_image(const Image& image, const std::filesystem::path& path, ImageFormat format,
                  const SaveOptions& options = {});
Result<std::vector<uint8_t>> encode_image(const Image& image, ImageFormat format, const SaveOptions& options = {});
inline bool drops_alpha(const Image& image, ImageFormat format) {
  return !image.alpha.empty() && format == ImageFormat::jpg;
}

}  // namespace gpen
