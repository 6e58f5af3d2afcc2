#include "pipeline/metadata.h"

#include <algorithm>
#include <cmath>

#include "pipeline/jpeg_metadata.h"

namespace gpen {

namespace {

double per_metre(Density::Unit unit) {
  switch (unit) {
    case Density::Unit::inch:
      return 1 / 0.0254;
    case Density::Unit::centimetre:
      return 100;
    case Density::Unit::none:
    case Density::Unit::metre:
      break;
  }
  return 1;
}

void note_profile(const Metadata& m, int channels, std::vector<std::string>* lost) {
  if (m.icc.empty() || profile_fits(m.icc, channels)) return;
  const std::string space = profile_colour_space(m.icc);
  if (space == "GRAY")
    lost->push_back("the ICC profile is one for gray pictures and the output has colour: it is left out");
  else if (space == "CMYK")
    lost->push_back("the ICC profile describes CMYK and the output is RGB: it is left out");
  else
    lost->push_back("the ICC profile (" + space + ") does not fit the output's channels: it is left out");
}

bool has_block(const std::vector<Metadata::Block>& blocks, std::string_view type) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Metadata::Block& b) { return b.type == type; });
}

// Whether these colour chunks, if any, say no more than that the picture is sRGB, which is what a JPEG without a
// profile is taken for: the chunk of that name, or its gamma of 1/2.2 written by itself.
bool is_srgb(const std::vector<Metadata::Block>& chunks) {
  if (has_block(chunks, "cICP")) return false;
  if (has_block(chunks, "sRGB")) return true;
  const std::vector<uint8_t> usual{0, 0, 45455 >> 8, 45455 & 0xFF};
  return std::all_of(chunks.begin(), chunks.end(),
                     [&](const Metadata::Block& b) { return b.type != "gAMA" || b.data == usual; });
}

}  // namespace

Density converted(const Density& density, Density::Unit unit) {
  if (density.unit == unit || density.unit == Density::Unit::none || unit == Density::Unit::none) return density;
  const double factor = per_metre(density.unit) / per_metre(unit);
  const auto convert = [&](uint32_t v) {
    return static_cast<uint32_t>(std::clamp(std::round(v * factor), 1.0, 2147483647.0));
  };
  return {convert(density.x), convert(density.y), unit};
}

bool is_colour_chunk(std::string_view type) {
  return type == "cICP" || type == "sRGB" || type == "gAMA" || type == "cHRM" || type == "mDCV" || type == "cLLI";
}

Metadata colours_of(const Metadata& metadata) {
  Metadata colours;
  colours.icc = metadata.icc;
  for (const Metadata::Block& chunk : metadata.png_chunks)
    if (is_colour_chunk(chunk.type)) colours.png_chunks.push_back(chunk);
  return colours;
}

std::shared_ptr<const Metadata> colours_of(const std::shared_ptr<const Metadata>& metadata) {
  return metadata == nullptr ? nullptr : std::make_shared<const Metadata>(colours_of(*metadata));
}

std::string profile_colour_space(std::span<const uint8_t> icc) {
  constexpr size_t kHeader = 128, kSpace = 16, kSignature = 36;  // ICC.1:2022, 7.2
  if (icc.size() < kHeader || std::string(icc.begin() + kSignature, icc.begin() + kSignature + 4) != "acsp") return "";
  return std::string(icc.begin() + kSpace, icc.begin() + kSpace + 4);
}

bool profile_fits(std::span<const uint8_t> icc, int channels) {
  return profile_colour_space(icc) == (channels == 1 ? "GRAY" : "RGB ");
}

std::vector<std::string> lost_in_jpeg(const Metadata& m, int channels) {
  std::vector<std::string> lost = m.notes;
  note_profile(m, channels, &lost);
  if (m.exif.size() > kMaxJpegExif) lost.push_back("a JPEG cannot hold EXIF data of this size: they are left out");
  if (m.xmp.size() > kMaxJpegXmp) lost.push_back("a JPEG cannot hold an XMP packet of this size: it is left out");
  bool texts = false;
  for (const Metadata::Block& chunk : m.png_chunks)
    texts = texts || (!is_colour_chunk(chunk.type) && !text_comment(chunk));
  if (texts) lost.push_back("the PNG's texts have no place in a JPEG: they are left out");
  if (m.icc.empty() && !is_srgb(m.png_chunks))
    lost.push_back("the PNG's colour chunks (gAMA, cHRM, cICP) have no place in a JPEG: they are left out");
  return lost;
}

std::vector<std::string> lost_in_png(const Metadata& m, int channels) {
  std::vector<std::string> lost = m.notes;
  note_profile(m, channels, &lost);
  if (has_block(m.jpeg_segments, "APP13")) lost.push_back("the JPEG's IPTC data have no place in a PNG: left out");
  if (has_block(m.jpeg_segments, "APP1")) lost.push_back("the JPEG's extended XMP has no place in a PNG: left out");
  return lost;
}

std::vector<std::string> lost_in_bmp(const Metadata& m) {
  std::vector<std::string> lost = m.notes;
  const bool any =
      !m.exif.empty() || !m.icc.empty() || !m.xmp.empty() || !m.jpeg_segments.empty() || !m.png_chunks.empty();
  if (any) lost.push_back("BMP has no place for EXIF, ICC profile, XMP and texts: they are left out");
  return lost;
}

void set_upright_xmp(std::vector<uint8_t>* xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  // An attribute, tiff:Orientation="6", or an element, <tiff:Orientation>6<.
  for (auto at = xmp->begin();;) {
    at = std::search(at, xmp->end(), kName.begin(), kName.end());
    if (at == xmp->end()) return;
    at += static_cast<ptrdiff_t>(kName.size());
    constexpr std::string_view kBetween = " \t\r\n=\"'>";
    auto value = at;
    while (value != xmp->end() && kBetween.find(static_cast<char>(*value)) != std::string_view::npos) ++value;
    const bool digit = value != at && value != xmp->end() && *value >= '2' && *value <= '8';
    const bool alone = digit && value + 1 != xmp->end() && !(value[1] >= '0' && value[1] <= '9');
    if (alone) *value = '1';
  }
}

}  // namespace gpen
