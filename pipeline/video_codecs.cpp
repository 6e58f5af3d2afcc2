#include "pipeline/video_codecs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gpen {
namespace {

namespace fs = std::filesystem;

// crf 17 of x264 is hard to tell from its input; the others' defaults are about as good.
constexpr VideoCodec kCodecs[] = {
    {"libx264", "-crf", 17, 51, "medium", ".mp4", 10, "420 422 444"},
    {"libx265", "-crf", 19, 51, "medium", ".mp4", 12, "420 422 444"},
    {"libsvtav1", "-crf", 24, 63, "6", ".mp4", 10, "420"},
    {"h264_nvenc", "-cq", 19, 51, "p5", ".mp4", 8, "420 444"},
    {"hevc_nvenc", "-cq", 21, 51, "p5", ".mp4", 10, "420 444"},
    {"prores_ks", nullptr, 0, 0, nullptr, ".mov", 10, "422 444"},
    {"ffv1", nullptr, 0, 0, nullptr, ".mkv", 12, "420 422 444"},
};

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

std::string layout_of(const VideoInfo& info) {
  const std::string& f = info.pixel_format;
  if (info.is_rgb) return "444";
  for (const char* name : {"420", "nv12", "nv21", "p010", "p016", "410", "gray"})
    if (contains(f, name)) return "420";
  for (const char* name : {"422", "nv16", "nv20", "p210", "p216", "411"})
    if (contains(f, name)) return "422";
  return "444";
}

Status system_error(const fs::path& path, const char* doing) {
  return fail(Code::io, path.string(), ": ", doing, ": ", std::strerror(errno));
}

Status sync(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return system_error(path, "cannot open");
  const int failed = ::fsync(fd);
  ::close(fd);
  return failed != 0 ? system_error(path, "cannot write") : Status();
}

}  // namespace

const VideoCodec* video_codec(const std::string& name) {
  for (const VideoCodec& codec : kCodecs)
    if (name == codec.name) return &codec;
  return nullptr;
}

std::string video_codec_names() {
  std::string names;
  for (const VideoCodec& codec : kCodecs) names.append(names.empty() ? "" : ", ").append(codec.name);
  return names;
}

Status check(const VideoEncoding& encoding) {
  const VideoCodec* codec = video_codec(encoding.codec);
  if (codec == nullptr)
    return fail(Code::usage, "--video-codec ", encoding.codec, ": not known; there are ", video_codec_names());
  if (encoding.crf >= 0 && codec->quality_option == nullptr)
    return fail(Code::usage, "--crf: ", codec->name, " has no such quality");
  if (encoding.crf > codec->most_crf && codec->quality_option != nullptr)
    return fail(Code::usage, "--crf ", encoding.crf, ": ", codec->name, " has 0 to ", codec->most_crf);
  if (!encoding.preset.empty() && codec->default_preset == nullptr)
    return fail(Code::usage, "--video-preset: ", codec->name, " has none");
  return {};
}

ColourTags output_tags(const VideoInfo& info) {
  if (info.is_rgb) return {false, "tv", "bt709", info.primaries, info.transfer, ""};
  return {info.full_range, info.range, info.matrix, info.primaries, info.transfer, info.chroma_location};
}

Result<std::string> conversion_matrix(const VideoInfo& info, int height, int width) {
  if (info.is_rgb) return std::string("bt709");
  const std::string& m = info.matrix;
  if (m.empty()) return std::string(height >= 720 || width >= 1280 ? "bt709" : "smpte170m");
  if (m == "bt709" || m == "fcc" || m == "smpte240m" || m == "smpte170m") return m;
  if (m == "bt470bg") return std::string("smpte170m");  // the same numbers
  if (m == "bt2020nc" || m == "bt2020c") return std::string("bt2020");
  return fail(Code::usage, "the video's colour matrix ", m, " cannot be converted to RGB");
}

Result<VideoTarget> plan_target(const VideoInfo& info, const VideoTimes& times, const VideoEncoding& encoding,
                                int scale) {
  GPEN_RETURN_IF_ERROR(check(encoding));
  const VideoCodec& codec = *video_codec(encoding.codec);
  VideoTarget target;
  target.width = times.width * scale;
  target.height = times.height * scale;
  target.deep = info.bits > 8 && scale == 1;
  GPEN_ASSIGN(target.matrix, conversion_matrix(info, times.height, times.width));

  const std::string source = layout_of(info);
  std::string layout = source;
  const bool odd_width = target.width % 2 != 0, odd_height = target.height % 2 != 0;
  if ((layout != "444" && odd_width) || (layout == "420" && odd_height)) layout = "444";
  // The encoder's next one that holds as much colour.
  for (const char* richer : {"422", "444"})
    if (!contains(codec.layouts, layout.c_str()) && layout < richer) layout = richer;
  if (!contains(codec.layouts, layout.c_str())) layout = "420";  // of the one encoder that has no other
  const int wanted = info.bits <= 8 ? 8 : info.bits <= 10 ? 10 : 12;
  int bits = std::min(wanted, codec.most_bits);
  if (encoding.codec == "prores_ks") bits = 10;
  target.pixel_format = bits == 8 ? concat("yuv", layout, "p") : concat("yuv", layout, "p", bits, "le");
  if (encoding.codec == "hevc_nvenc" && bits == 10) target.pixel_format = layout == "420" ? "p010le" : "yuv444p16le";
  if (layout != source || bits < wanted || info.is_rgb)
    target.notes.push_back(concat("the video's ", info.pixel_format, " is written as ", target.pixel_format,
                                  odd_width || odd_height ? ": its size is odd" : ""));
  if (info.has_alpha) target.notes.push_back("the video's transparency is dropped");
  if (info.bits > 8 && scale > 1) target.notes.push_back("the upscaled background has 8 bits per channel");
  if (info.has_mastering) target.notes.push_back("static HDR metadata is not kept; the colour tags are");
  if (info.interlaced)
    target.notes.push_back("the video is interlaced: deinterlaced (bwdif), one frame for each frame");
  return target;
}

std::vector<std::string> encoder_options(const VideoEncoding& encoding) {
  const VideoCodec& codec = *video_codec(encoding.codec);
  std::vector<std::string> words = {"-c:v", codec.name};
  if (codec.default_preset != nullptr)
    words.insert(words.end(), {"-preset", encoding.preset.empty() ? codec.default_preset : encoding.preset});
  if (codec.quality_option != nullptr) {
    const int crf = encoding.crf >= 0 ? encoding.crf : codec.default_crf;
    words.insert(words.end(), {codec.quality_option, std::to_string(crf)});
  }
  if (contains(encoding.codec, "nvenc")) words.insert(words.end(), {"-rc", "vbr", "-b:v", "0"});
  if (encoding.codec == "libx265") words.insert(words.end(), {"-tag:v", "hvc1", "-x265-params", "log-level=error"});
  if (encoding.codec == "ffv1") words.insert(words.end(), {"-level", "3"});
  return words;
}

std::vector<std::string> tag_options(const ColourTags& tags) {
  std::vector<std::string> words;
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("-color_range", tags.range);
  add("-colorspace", tags.matrix);
  add("-color_primaries", tags.primaries);
  // The encoders' option has its own names for these two; the filter before them has set the tag already.
  if (tags.transfer != "bt470m" && tags.transfer != "bt470bg") add("-color_trc", tags.transfer);
  add("-chroma_sample_location", tags.chroma_location);
  return words;
}

Status move_when_synced(const fs::path& from, const fs::path& to) {
  GPEN_RETURN_IF_ERROR(sync(from, O_RDONLY));
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error(to, "cannot be written");
  const fs::path folder = to.has_parent_path() ? to.parent_path() : fs::path(".");
  return sync(folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace gpen
