// What a video file is, as ffprobe tells it. The file is hostile until checked: every value that goes on into a command
// line or an allocation is a number in a range or a name of a few harmless characters.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status.h"

namespace gpen {

struct Rational {
  int64_t num = 0, den = 1;
  double value() const { return static_cast<double>(num) / static_cast<double>(den); }
  std::string text() const;  // "30000/1001"
};

struct VideoStream {
  enum class Kind { video, audio, subtitle, attachment, picture, data };  // picture: cover art
  int index = 0;
  Kind kind = Kind::data;
  std::string codec;
};

struct VideoInfo {
  std::string format;                // ffmpeg's name of the container
  std::vector<VideoStream> streams;  // all of the file's
  int index = 0;                     // of the stream that is restored: the first one with moving pictures
  int width = 0, height = 0;         // as coded: before rotation
  Rational time_base, frame_rate;    // frame_rate: the average one; num 0: not known
  Rational sample_aspect;            // of a pixel; num 0: not known
  std::string pixel_format;
  int bits = 8;  // per channel
  bool is_rgb = false, has_alpha = false, interlaced = false;
  bool full_range = false;
  // ffmpeg's names; empty: the file does not say.
  std::string range, matrix, primaries, transfer, chroma_location;
  int64_t frames = 0;          // as the file says or as its duration and rate make likely; 0: not known
  double duration = 0;         // seconds, of the file; 0: not known
  bool has_mastering = false;  // static HDR metadata, or Dolby Vision
};

// From the JSON of `ffprobe -show_streams -show_format`. Code::io "NAME: reason".
Result<VideoInfo> parse_video_info(std::string_view json, const std::string& name);

// The programs that read and write videos.
struct VideoTools {
  std::string ffmpeg, ffprobe;  // files
  bool has_fps_mode = true;     // ffmpeg 5.1 or later: -fps_mode, else -vsync
};
// $GPEN_FFMPEG and $GPEN_FFPROBE, or the PATH. Code::io says how to install them.
Result<VideoTools> find_video_tools();

// Options of ffmpeg and ffprobe before "-i" that keep a hostile file from reading others or the network: files and
// pipes alone, containers of videos alone (no playlists).
std::vector<std::string> safe_input_options();
// "file:PATH": a name is never taken for an address or an option.
std::string input_address(const std::filesystem::path& path);

Result<VideoInfo> probe_video(const VideoTools& tools, const std::filesystem::path& path);

// Whether a file is a video by its first bytes: MP4/MOV, Matroska/WebM, AVI, MPEG-TS/PS, FLV, ASF/WMV, Ogg, MXF,
// YUV4MPEG, IVF. HEIF and AVIF pictures and animated pictures are none.
bool sniff_video(const std::filesystem::path& path);
// Whether its name ends like one.
bool is_video_name(const std::filesystem::path& path);

}  // namespace gpen
