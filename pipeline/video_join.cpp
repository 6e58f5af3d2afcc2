// The end of a video's way: segments and side streams into one file (video_io.h).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pipeline/file_io.h"
#include "pipeline/video_codecs.h"
#include "pipeline/video_io.h"

namespace gpen {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::string seconds_text(int64_t nanoseconds) {
  char text[48];
  std::snprintf(text, sizeof(text), "%.6f", static_cast<double>(nanoseconds) / 1e9);
  return text;
}

// How a subtitle gets into the container: copied, or converted from text to text.
std::string subtitle_codec(const std::string& codec, const std::string& container) {
  const bool takes_text_of_mp4 = container != "matroska";
  if (!takes_text_of_mp4) return codec == "mov_text" ? "subrip" : "copy";
  for (const char* text : {"subrip", "srt", "ass", "ssa", "webvtt", "text"})
    if (codec == text) return "mov_text";
  return "copy";
}

}  // namespace

Result<std::string> video_container(const fs::path& output) {
  std::string ending = output.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (ending == ".mp4" || ending == ".m4v") return std::string("mp4");
  if (ending == ".mov") return std::string("mov");
  if (ending == ".mkv") return std::string("matroska");
  return fail(Code::usage, output.string(), ": a restored video is written as .mp4, .m4v, .mov or .mkv");
}

SideStreams plan_side_streams(const VideoInfo& info, const std::string& container, int source, bool with_restored) {
  using Kind = VideoStream::Kind;
  SideStreams plan;
  int written = 0;
  Words codecs;
  const auto leave_out = [&](const VideoStream& s, const char* what) {
    plan.notes.push_back(concat("stream ", s.index, " (", what, s.codec.empty() ? "" : " ", s.codec,
                                ") is not kept: ", container, " cannot hold it"));
  };
  // For every stream: ffmpeg takes none by itself when it is told of one.
  const auto take_metadata = [&](const VideoStream& s) {
    codecs.insert(codecs.end(), {concat("-map_metadata:s:", written), concat(source, ":s:", s.index)});
  };
  for (const VideoStream& s : info.streams) {
    if (s.index == info.index) {
      if (!with_restored) continue;
      plan.options.insert(plan.options.end(), {"-map", "0:v:0"});
      take_metadata(s);
      ++written;
      continue;
    }
    if (s.kind == Kind::data) {
      leave_out(s, "data");
      continue;
    }
    if (s.kind == Kind::attachment && container != "matroska") {
      leave_out(s, "attachment");
      continue;
    }
    plan.options.insert(plan.options.end(), {"-map", concat(source, ":", s.index)});
    take_metadata(s);
    if (s.kind == Kind::picture) codecs.insert(codecs.end(), {concat("-disposition:", written), "attached_pic"});
    if (s.kind == Kind::video)
      plan.notes.push_back(concat("stream ", s.index, " is a second video: copied, not restored"));
    if (s.kind == Kind::subtitle) {
      const std::string codec = subtitle_codec(s.codec, container);
      if (codec != "copy") {
        codecs.insert(codecs.end(), {concat("-c:", written), codec});
        plan.notes.push_back(
            concat("subtitles of stream ", s.index, ": from ", s.codec, " to ", codec, " for ", container));
      }
    }
    ++written;
    ++plan.kept;
  }
  plan.options.insert(plan.options.end(), {"-c", "copy"});
  plan.options.insert(plan.options.end(), codecs.begin(), codecs.end());
  plan.options.insert(plan.options.end(), {"-map_metadata", std::to_string(source), "-map_chapters",
                                           std::to_string(source), "-f", container});
  return plan;
}

Status try_side_streams(const VideoTools& tools, const VideoInfo& info, const fs::path& path,
                        const std::string& container, const fs::path& trial) {
  const SideStreams plan = plan_side_streams(info, container, 0, false);
  if (plan.kept == 0) return {};
  Words words = {tools.ffmpeg, "-nostdin", "-hide_banner", "-v", "error"};
  const Words safe = safe_input_options();
  words.insert(words.end(), safe.begin(), safe.end());
  words.insert(words.end(), {"-i", input_address(path), "-t", "0.5"});
  words.insert(words.end(), plan.options.begin(), plan.options.end());
  words.insert(words.end(), {"-y", input_address(trial)});
  const Status status = run_program(words, 1 << 20).status();
  std::error_code ignored;
  fs::remove(trial, ignored);
  if (status.ok()) return {};
  return fail(Code::usage, path.string(), ": its other streams do not go into ", container,
              container == "matroska" ? "" : " (an output named .mkv holds more kinds)", ": ", status.message());
}

Status join_segments(const VideoTools& tools, const VideoInfo& info, const VideoTimes& times, const fs::path& source,
                     const fs::path& folder, const std::vector<VideoSegment>& segments, const std::string& container,
                     const fs::path& result, const std::function<bool()>& stop) {
  // Times are sums of these lengths in ffmpeg: rounded from the beginning on, so that no error adds up.
  std::string list = "ffconcat version 1.0\n";
  const auto microseconds = [&](int64_t frame) {
    return (times.nanoseconds(0, static_cast<size_t>(frame)) + 500) / 1000;
  };
  for (const VideoSegment& s : segments) {
    const int64_t length = microseconds(s.first + s.frames) - microseconds(s.first);
    list += concat("file ", s.file, "\nduration ", seconds_text(1000 * length), "\n");
  }
  const fs::path list_file = folder / "segments.ffconcat";
  GPEN_RETURN_IF_ERROR(write_file(list_file, {reinterpret_cast<const uint8_t*>(list.data()), list.size()}));

  const SideStreams plan = plan_side_streams(info, container, 1, true);
  Words words = {tools.ffmpeg, "-nostdin", "-hide_banner", "-v", "error"};
  // Where the video begins in the file: other streams may begin before it.
  const long double start = static_cast<long double>(times.times.front()) *
                            static_cast<long double>(times.time_base.num) /
                            static_cast<long double>(times.time_base.den);
  words.insert(words.end(), {"-protocol_whitelist", "file,pipe", "-itsoffset", seconds_text(std::llround(start * 1e9L)),
                             "-f", "concat", "-i", input_address(list_file)});
  const Words safe = safe_input_options();
  words.insert(words.end(), safe.begin(), safe.end());
  words.insert(words.end(), {"-i", input_address(source)});
  words.insert(words.end(), plan.options.begin(), plan.options.end());
  if (container != "matroska")
    words.insert(words.end(),
                 {"-video_track_timescale", std::to_string(times.time_base.den), "-movflags", "+faststart"});
  words.insert(words.end(), {"-n", input_address(result)});
  return run_program(words, 1 << 20, stop).status();
}

}  // namespace gpen
