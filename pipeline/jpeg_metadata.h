// Metadata in JPEG files: Exif and XMP (APP1), ICC profile (APP2, in numbered pieces), Photoshop and IPTC (APP13),
// comments, and the density of JFIF. Other segments (previews, MPF's offsets, content credentials) would be wrong for
// changed pixels and are not kept.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/metadata.h"

namespace gpen {

inline constexpr size_t kMaxSegment = 65533;             // a length of 16 bits counts itself
inline constexpr size_t kMaxJpegExif = kMaxSegment - 6;  // behind "Exif\0\0"
inline constexpr size_t kMaxJpegXmp = kMaxSegment - 29;  // behind its address

Metadata read_jpeg_metadata(std::span<const uint8_t> file);

// What a PNG text chunk puts into a JPEG's comment: the text of a "Comment", tEXt, or iTXt that is not packed and names
// no language. None: it has no place there.
std::optional<std::span<const uint8_t>> text_comment(const Metadata::Block& chunk);

// The file with its JFIF header replaced and the segments added; `jpeg` starts with SOI and a JFIF APP0, as encoders
// write it. channels: 1 or 3, for which the profile must fit. What does not fit (lost_in_jpeg()) is left out.
std::vector<uint8_t> with_metadata(std::span<const uint8_t> jpeg, const Metadata& metadata, int channels);

}  // namespace gpen
