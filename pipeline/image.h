// Pictures in and out: PNG, JPEG and BMP, told apart by content, through stb_image and stb_image_write.
//
// Files are hostile until decoded: size caps are checked from the header before any pixel is decoded, and the decoder
// is given no more memory than a picture of that size needs (a small file cannot ask for gigabytes).
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/metadata.h"
#include "runtime/status.h"

namespace gpen {

enum class ImageFormat { png, jpg, bmp };
const char* name_of(ImageFormat format);  // "png", "jpg", "bmp"
// From a name ("jpg", "JPEG") or a path's extension (".jpg"). Code::usage when it is none of them.
Result<ImageFormat> parse_image_format(const std::string& name);
// By the first bytes. Code::io when it is none of them.
Result<ImageFormat> sniff_image_format(std::span<const uint8_t> file);

// The samples of a picture of 16 bits per channel, laid out as in Image.
struct DeepSamples {
  std::vector<uint16_t> rgb, alpha;
};

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
  // A 16-bit file's samples as they were read; null: 8 bits. They are never changed: whatever changes rgb leaves them
  // alone, and a PNG gets them with the change added (pipeline/samples.h). Copies of the picture share them.
  std::shared_ptr<const DeepSamples> deep;
  std::shared_ptr<const Metadata> metadata;  // null: none; EXIF in it says upright, as the pixels are

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

// Gray becomes three equal channels, CMYK RGB; alpha is set aside; 16 bits are rounded to 8 and kept beside; the EXIF
// orientation is applied, and is 1 in the metadata that are kept. Code::io with a message that names the file (`name`
// for memory) and the reason.
Result<Image> load_image(const std::filesystem::path& path, const LoadOptions& options = {});
Result<Image> load_image(std::span<const uint8_t> file, const std::string& name, const LoadOptions& options = {});

// What the file's header says, before any pixel is decoded; a JPEG's orientation is not applied. Code::io as of
// load_image(), which may still find the rest of the file damaged. No limit on the size is checked.
struct ImageSize {
  int width = 0, height = 0;
  int channels = 0;  // that are decoded, at most: a PNG may add alpha to them behind its header
  bool sixteen_bits = false;
  bool progressive = false;  // a JPEG whose coefficients are all kept until its end
  ImageFormat format = ImageFormat::png;
  int64_t pixels() const { return int64_t{width} * height; }
};
Result<ImageSize> image_size(std::span<const uint8_t> file);
// Of a file on the disk, of which no more is read than is needed, and no more than 16 MiB.
Result<ImageSize> image_size(const std::filesystem::path& path);
// What load_image() holds at its peak, about, for such a file: the file, what the decoder works on, the picture.
int64_t decoding_bytes(const ImageSize& size, uint64_t file_bytes);
// What the pixels of a picture take, with its 16-bit samples.
int64_t held_bytes(const Image& image);

struct SaveOptions {
  int quality = 95;             // JPEG, 1 to 100
  bool keep_gray = false;       // a picture that was gray is written with one channel, its luma; BMP has none
  bool strip_metadata = false;  // only what the colours mean is written: ICC profile, colour chunks
};

// PNG and BMP keep alpha; JPEG has none and drops it. PNG keeps 16 bits, PNG and JPEG metadata (docs/photos.md). What
// the format has no place for is dropped; lost_on_saving() says it beforehand. The file appears complete or not at all.
// Code::io "FILE: reason", Code::usage for a quality outside 1 to 100.
Status save_image(const Image& image, const std::filesystem::path& path, ImageFormat format,
                  const SaveOptions& options = {});
Result<std::vector<uint8_t>> encode_image(const Image& image, ImageFormat format, const SaveOptions& options = {});
inline bool drops_alpha(const Image& image, ImageFormat format) {
  return !image.alpha.empty() && format == ImageFormat::jpg;
}
// For people: what of the picture the format cannot hold, and what of the file it came from could not be kept.
std::vector<std::string> lost_on_saving(const Image& image, ImageFormat format, const SaveOptions& options = {});

// A picture made from another one takes over what its file was and carried, but no 16-bit samples.
void inherit_file(const Image& from, Image* to);

}  // namespace gpen
