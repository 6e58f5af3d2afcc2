// Videos in and out through the programs ffmpeg and ffprobe (docs/video.md): pictures travel through pipes, never
// through files. The restored pictures are encoded in segments, each a file of its own, so that a run that was stopped
// can go on behind the last complete one; at the end they are joined with everything else of the source.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/image.h"
#include "pipeline/process.h"
#include "pipeline/video_info.h"

namespace gpen {

// The times of a video's frames, from decoding it once.
struct VideoTimes {
  int width = 0, height = 0;  // of the decoded pictures: upright
  Rational time_base;
  std::vector<int64_t> times;  // of every frame, in time_base from the start of the file; strictly rising
  int64_t last_duration = 0;   // of the last frame
  // From frame a to frame b, in nanoseconds; b may be one past the last: the end.
  int64_t nanoseconds(size_t a, size_t b) const;
};
// Code::io when nothing can be decoded.
Result<VideoTimes> read_times(const VideoTools& tools, const VideoInfo& info, const std::filesystem::path& path,
                              const std::function<bool()>& stop = nullptr);

struct VideoFrame {
  int64_t number = 0;
  Image picture;
  std::vector<uint16_t> deep;  // the same with 16 bits per channel, when the video has more than 8; else empty
};

// The frames from `first` on, upright, progressive, as full-range RGB.
class VideoReader {
 public:
  static Result<std::unique_ptr<VideoReader>> open(const VideoTools& tools, const VideoInfo& info,
                                                   const VideoTimes& times, const std::filesystem::path& path,
                                                   int64_t first);
  // std::nullopt behind the last one. Code::io, with ffmpeg's last words, when it ends early.
  Result<std::optional<VideoFrame>> next();
  void stop() { process_->kill(); }  // next() of another thread returns

 private:
  VideoReader() = default;
  std::unique_ptr<Process> process_;
  int width_ = 0, height_ = 0;
  bool deep_ = false;
  int64_t next_ = 0, end_ = 0;
  std::string name_;
};

// How the restored pictures are encoded.
struct VideoEncoding {
  std::string codec = "libx264";
  int crf = -1;        // -1: the codec's default
  std::string preset;  // empty: the codec's default
};
// The encoders there are: "libx264, libx265, ...".
std::string video_codec_names();
// Code::usage for an unknown codec, or a crf or preset that it does not have.
Status check(const VideoEncoding& encoding);

// What goes into the encoder and how it is tagged, worked out once.
struct VideoTarget {
  int width = 0, height = 0;       // of the written pictures
  bool deep = false;               // pictures come with 16 bits
  std::string pixel_format;        // as the source's where the encoder has it
  std::string matrix;              // that RGB is converted with
  std::vector<std::string> notes;  // for people: what could not be kept as it was
};
// scale: of the written pictures against the source's. Code::usage for colours that cannot be converted.
Result<VideoTarget> plan_target(const VideoInfo& info, const VideoTimes& times, const VideoEncoding& encoding,
                                int scale);

// One segment, frame by frame. The file appears when it is complete.
class SegmentWriter {
 public:
  // first: its first frame.
  static Result<std::unique_ptr<SegmentWriter>> open(const VideoTools& tools, const VideoInfo& info,
                                                     const VideoTimes& times, const VideoTarget& target,
                                                     const VideoEncoding& encoding, const std::filesystem::path& path,
                                                     int64_t first);
  Status add(const VideoFrame& frame);
  Status finish();
  static const char* extension(const VideoEncoding& encoding);  // of the segments' files

 private:
  SegmentWriter(const VideoTimes& times, int64_t first) : times_(times), first_(first) {}
  Status write(std::span<const uint8_t> bytes);
  std::unique_ptr<Process> process_;
  const VideoTimes& times_;
  const int64_t first_;
  std::filesystem::path path_, unfinished_;
};

struct VideoSegment {
  std::string file;  // a name in the folder of segments
  int64_t first = 0, frames = 0;
};

// The container that a name stands for: mp4 (.mp4, .m4v), mov, matroska (.mkv). Code::usage for another.
Result<std::string> video_container(const std::filesystem::path& output);

// Everything of the source but the restored stream, in this container: what is copied, what is converted, and a note
// for what it cannot hold. The options of ffmpeg, where input `source` is the file and `restored` the restored stream.
struct SideStreams {
  std::vector<std::string> options;
  std::vector<std::string> notes;
  int kept = 0;  // streams beside the restored one
};
SideStreams plan_side_streams(const VideoInfo& info, const std::string& container, int source, bool with_restored);

// Whether the container takes those streams, tried on half a second of them before any work is done. trial: a file that
// may be written meanwhile. Code::usage with ffmpeg's reason.
Status try_side_streams(const VideoTools& tools, const VideoInfo& info, const std::filesystem::path& path,
                        const std::string& container, const std::filesystem::path& trial);

// Joins the segments of `folder` (all frames, in order) and what else is in the source into `result`, a file that is
// not there yet.
Status join_segments(const VideoTools& tools, const VideoInfo& info, const VideoTimes& times,
                     const std::filesystem::path& source, const std::filesystem::path& folder,
                     const std::vector<VideoSegment>& segments, const std::string& container,
                     const std::filesystem::path& result, const std::function<bool()>& stop = nullptr);

}  // namespace gpen
