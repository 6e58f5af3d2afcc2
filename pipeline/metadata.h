// What a picture file carries beside its pixels, kept as opaque bytes from the input to the output: EXIF, ICC profile,
// XMP, IPTC, texts, resolution, colour chunks. docs/photos.md says what goes from which format into which.
//
// Everything here is read from hostile files: lengths are checked, inflated data is bounded, and what is damaged or too
// large is left out with a note, never an error: a photo with a broken comment is still a photo.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpen {

// Pixels per unit as the file states them; without a unit only the ratio x : y has a meaning.
struct Density {
  enum class Unit : uint8_t { none, inch, centimetre, metre };
  uint32_t x = 0, y = 0;  // 0: not stated
  Unit unit = Unit::none;
  bool empty() const { return x == 0 || y == 0; }
};
// The same in another unit, rounded to nearest; a density without a unit stays as it is.
Density converted(const Density& density, Density::Unit unit);

struct Metadata {
  struct Block {
    std::string type;  // a PNG chunk's four letters, or "COM", "APP1", "APP13"
    std::vector<uint8_t> data;
  };
  std::vector<uint8_t> exif;         // the TIFF structure: what follows "Exif\0\0" in a JPEG, what a PNG's eXIf holds
  std::vector<uint8_t> icc;          // the profile
  std::vector<uint8_t> xmp;          // the packet, UTF-8
  std::vector<Block> jpeg_segments;  // extended XMP (APP1), Photoshop and IPTC (APP13), comments (COM); in file order
  std::vector<Block> png_chunks;     // cICP sRGB gAMA cHRM mDCV cLLI, tEXt zTXt iTXt (but XMP); in file order
  Density density;
  std::vector<std::string> notes;  // what the file held and could not be kept, for people
};

inline constexpr size_t kMaxProfileBytes = size_t{255} * 65519;  // of a profile (what a JPEG can hold) or an XMP packet
inline constexpr size_t kMaxTextBytes = size_t{16} << 20;        // of all texts of a file together
inline constexpr size_t kMaxBlocks = 4096;

// Only what the colours mean: the profile and the colour chunks.
Metadata colours_of(const Metadata& metadata);
std::shared_ptr<const Metadata> colours_of(const std::shared_ptr<const Metadata>& metadata);
bool is_colour_chunk(std::string_view type);

// What the header of a profile says its pixels are: "RGB ", "GRAY", "CMYK", ...; empty when it is no ICC profile.
std::string profile_colour_space(std::span<const uint8_t> icc);
// Whether the profile describes pictures of 1 (gray) or 3 (RGB) colour channels.
bool profile_fits(std::span<const uint8_t> icc, int channels);

// What of it a file of that kind has no place for, for people. channels: 1 or 3 colour channels are written.
std::vector<std::string> lost_in_jpeg(const Metadata& metadata, int channels);
std::vector<std::string> lost_in_png(const Metadata& metadata, int channels);
std::vector<std::string> lost_in_bmp(const Metadata& metadata);

// Writes 1 (upright) over the orientation that an XMP packet repeats, in place; no other byte changes.
void set_upright_xmp(std::vector<uint8_t>* xmp);

}  // namespace gpen
