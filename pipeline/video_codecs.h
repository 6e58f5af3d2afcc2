// What ffmpeg's encoders are told: quality, pixel format and colour tags. Used by video_io.cpp.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/video_io.h"

namespace gpen {

struct VideoCodec {
  const char* name;
  const char* quality_option;  // of --crf; null: there is none (lossless, or fixed)
  int default_crf, most_crf;
  const char* default_preset;  // null: it has none
  const char* extension;       // of segments
  int most_bits;
  const char* layouts;  // of colour: "420 422 444"
};
const VideoCodec* video_codec(const std::string& name);  // null: unknown

// The tags of what is written: those of the source (RGB becomes BT.709, for which players are made).
struct ColourTags {
  bool full_range = false;
  std::string range, matrix, primaries, transfer, chroma_location;  // empty: untagged
};
ColourTags output_tags(const VideoInfo& info);

// The matrix between YUV and RGB, as ffmpeg's filter `scale` calls it: what the tag says; without one BT.709 for high
// definition and BT.601 below, as players take it. Code::usage for one that the filter does not know.
Result<std::string> conversion_matrix(const VideoInfo& info, int height, int width);

std::vector<std::string> encoder_options(const VideoEncoding& encoding);
std::vector<std::string> tag_options(const ColourTags& tags);

// fsync, rename, fsync of the folder. Code::io with the name of `to`.
Status move_when_synced(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace gpen
