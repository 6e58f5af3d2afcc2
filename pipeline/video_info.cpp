#include "pipeline/video_info.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "pipeline/process.h"

namespace gpen {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr size_t kMostJson = size_t{64} << 20;
constexpr size_t kMostStreams = 1000;

// A name that may stand in a filter or an option: letters, digits, - and _. "unknown" and the like are no name.
std::string plain_name(const Json& object, const char* key) {
  if (!object.contains(key) || !object[key].is_string()) return "";
  const std::string text = object[key].get<std::string>();
  const bool plain = !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  return plain && text != "unknown" && text != "unspecified" && text != "reserved" ? text : "";
}

// ffprobe gives some numbers as text.
double number(const Json& object, const char* key) {
  if (!object.contains(key)) return 0;
  const Json& value = object[key];
  double v = 0;
  if (value.is_number()) {
    v = value.get<double>();
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto end = std::from_chars(text.data(), text.data() + text.size(), v);
    if (end.ec != std::errc()) v = 0;
  }
  return std::isfinite(v) && std::abs(v) < 1e15 ? v : 0;
}

// "30000/1001" or "4:3"; num 0 when it is nothing sensible.
Rational rational(const Json& object, const char* key, char separator) {
  if (!object.contains(key) || !object[key].is_string()) return {};
  const std::string text = object[key].get<std::string>();
  Rational r;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, r.num);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != separator) return {};
  const auto second = std::from_chars(first.ptr + 1, end, r.den);
  constexpr int64_t kMost = 2'000'000'000;
  if (second.ec != std::errc() || second.ptr != end) return {};
  if (r.num <= 0 || r.den <= 0 || r.num > kMost || r.den > kMost) return {};
  const int64_t divisor = std::gcd(r.num, r.den);
  return {r.num / divisor, r.den / divisor};
}

VideoStream::Kind kind_of(const Json& stream) {
  const std::string type = plain_name(stream, "codec_type");
  if (type == "audio") return VideoStream::Kind::audio;
  if (type == "subtitle") return VideoStream::Kind::subtitle;
  if (type == "attachment") return VideoStream::Kind::attachment;
  if (type != "video") return VideoStream::Kind::data;
  const bool cover = stream.contains("disposition") && stream["disposition"].is_object() &&
                     number(stream["disposition"], "attached_pic") != 0;
  return cover ? VideoStream::Kind::picture : VideoStream::Kind::video;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// yuv420p10le: 10. p010le: 10. rgb48le: 16. gray: 8.
int bits_of(const std::string& format) {
  for (const char* deep : {"rgb48", "bgr48", "rgba64", "bgra64", "ya16", "p016", "p216", "p416"})
    if (contains(format, deep)) return 16;
  if (contains(format, "x2rgb10") || contains(format, "x2bgr10")) return 10;
  if (contains(format, "xyz12")) return 12;
  for (const auto& [name, bits] : {std::pair{"9", 9}, {"10", 10}, {"12", 12}, {"14", 14}, {"16", 16}}) {
    // The depth stands before the byte order.
    for (const char* order : {"le", "be"})
      if (format.ends_with(std::string(name) + order)) return bits;
  }
  return 8;
}

bool is_rgb(const std::string& format) {
  for (const char* rgb : {"rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "mono", "bayer"})
    if (format.rfind(rgb, 0) == 0) return true;
  return contains(format, "2rgb") || contains(format, "2bgr");
}

bool has_alpha(const std::string& format) {
  return format.rfind("yuva", 0) == 0 || format.rfind("gbrap", 0) == 0 || format.rfind("ya", 0) == 0 ||
         contains(format, "rgba") || contains(format, "bgra") || contains(format, "argb") || contains(format, "abgr");
}

bool has_mastering(const Json& stream) {
  if (!stream.contains("side_data_list") || !stream["side_data_list"].is_array()) return false;
  for (const Json& data : stream["side_data_list"]) {
    if (!data.is_object() || !data.contains("side_data_type") || !data["side_data_type"].is_string()) continue;
    const std::string type = data["side_data_type"].get<std::string>();
    if (contains(type, "Mastering display") || contains(type, "Content light") || contains(type, "DOVI")) return true;
  }
  return false;
}

Status read_stream(const Json& stream, const Json& format, const std::string& name, VideoInfo* info) {
  const double width = number(stream, "width"), height = number(stream, "height");
  if (!(width >= 1 && height >= 1 && width <= 32767 && height <= 32767))
    return fail(Code::io, name, ": the video's size is not between 1 and 32767 pixels");
  info->width = static_cast<int>(width);
  info->height = static_cast<int>(height);
  info->time_base = rational(stream, "time_base", '/');
  if (info->time_base.num == 0) return fail(Code::io, name, ": the video has no usable time base");
  info->frame_rate = rational(stream, "avg_frame_rate", '/');
  if (info->frame_rate.num == 0) info->frame_rate = rational(stream, "r_frame_rate", '/');
  info->sample_aspect = rational(stream, "sample_aspect_ratio", ':');
  info->pixel_format = plain_name(stream, "pix_fmt");
  if (info->pixel_format.empty()) return fail(Code::io, name, ": ffmpeg cannot decode the video's pictures");
  info->bits = bits_of(info->pixel_format);
  info->is_rgb = is_rgb(info->pixel_format);
  info->has_alpha = has_alpha(info->pixel_format);
  info->range = plain_name(stream, "color_range");
  info->full_range = info->range == "pc" || info->is_rgb || info->pixel_format.rfind("yuvj", 0) == 0;
  if (info->pixel_format.rfind("yuvj", 0) == 0) info->range = "pc";
  info->matrix = plain_name(stream, "color_space");
  info->primaries = plain_name(stream, "color_primaries");
  info->transfer = plain_name(stream, "color_transfer");
  info->chroma_location = plain_name(stream, "chroma_location");
  const std::string order = plain_name(stream, "field_order");
  info->interlaced = order == "tt" || order == "bb" || order == "tb" || order == "bt";
  info->has_mastering = has_mastering(stream);
  info->duration = std::max({0.0, number(stream, "duration"), number(format, "duration")});
  info->frames = static_cast<int64_t>(std::max(0.0, number(stream, "nb_frames")));
  if (info->frames == 0) info->frames = std::llround(info->duration * info->frame_rate.value());
  return {};
}

}  // namespace

std::string Rational::text() const { return concat(num, "/", den); }

Result<VideoInfo> parse_video_info(std::string_view text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("streams") || !json["streams"].is_array())
    return fail(Code::io, name, ": ffprobe's answer is not what it should be");
  if (json["streams"].size() > kMostStreams) return fail(Code::io, name, ": has ", json["streams"].size(), " streams");
  const Json format = json.contains("format") && json["format"].is_object() ? json["format"] : Json::object();
  VideoInfo info;
  const Json* video = nullptr;
  for (const Json& stream : json["streams"]) {
    if (!stream.is_object() || !stream.contains("index") || !stream["index"].is_number_unsigned() ||
        stream["index"].get<uint64_t>() >= 100'000)
      return fail(Code::io, name, ": ffprobe's answer has a stream without a number");
    VideoStream s;
    s.index = stream["index"].get<int>();
    s.kind = kind_of(stream);
    s.codec = plain_name(stream, "codec_name");
    info.streams.push_back(s);
    if (s.kind != VideoStream::Kind::video || video != nullptr) continue;
    video = &stream;
    info.index = s.index;
  }
  if (video == nullptr) return fail(Code::io, name, ": there is no video in it");
  if (format.contains("format_name") && format["format_name"].is_string())
    info.format = format["format_name"].get<std::string>();
  GPEN_RETURN_IF_ERROR(read_stream(*video, format, name, &info));
  return info;
}

Result<VideoTools> find_video_tools() {
  VideoTools tools;
  const auto find = [](const char* name, const char* variable, std::string* file) -> Status {
    Result<std::string> found = find_program(name, variable);
    if (!found.ok())
      return fail(Code::io, found.status().message(), ": videos are read and written by the programs ffmpeg and ",
                  "ffprobe. Install them (Debian, Ubuntu: apt install ffmpeg; Fedora: dnf install ffmpeg), or name ",
                  "them in $GPEN_FFMPEG and $GPEN_FFPROBE");
    *file = *std::move(found);
    return {};
  };
  GPEN_RETURN_IF_ERROR(find("ffmpeg", "GPEN_FFMPEG", &tools.ffmpeg));
  GPEN_RETURN_IF_ERROR(find("ffprobe", "GPEN_FFPROBE", &tools.ffprobe));
  // "ffmpeg version 4.4.2-0ubuntu0", "ffmpeg version n6.0", "ffmpeg version N-110000-g1234" (a build of the newest).
  GPEN_ASSIGN(const std::string version, run_program({tools.ffmpeg, "-hide_banner", "-version"}, 1 << 20));
  const char* prefix = "ffmpeg version ";
  if (version.rfind(prefix, 0) != 0) return fail(Code::io, tools.ffmpeg, ": does not answer -version as ffmpeg does");
  const size_t digits = version.find_first_of("0123456789", std::strlen(prefix));
  int major = 0, minor = 0;
  if (digits != std::string::npos && digits <= std::strlen(prefix) + 1 &&
      std::sscanf(version.c_str() + digits, "%d.%d", &major, &minor) == 2)
    tools.has_fps_mode = major > 5 || (major == 5 && minor >= 1);
  return tools;
}

std::vector<std::string> safe_input_options() {
  return {"-protocol_whitelist", "file,pipe", "-format_whitelist",
          "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,asf,ogg,mxf,yuv4mpegpipe,ivf,"
          "nut,dv,h264,hevc,m4v,obu,gif,rm,wtv,vob"};
}

std::string input_address(const fs::path& path) { return "file:" + path.string(); }

Result<VideoInfo> probe_video(const VideoTools& tools, const fs::path& path) {
  if (access(path.c_str(), R_OK) != 0) return fail(Code::io, path.string(), ": cannot open: ", std::strerror(errno));
  std::vector<std::string> words = {tools.ffprobe, "-hide_banner", "-v", "error"};
  for (const std::string& word : safe_input_options()) words.push_back(word);
  for (const char* word : {"-print_format", "json", "-show_streams", "-show_format", "-i"}) words.emplace_back(word);
  words.push_back(input_address(path));
  Result<std::string> json = run_program(words, kMostJson);
  if (!json.ok()) return fail(Code::io, path.string(), ": not a video that ffmpeg can read: ", json.status().message());
  return parse_video_info(*json, path.string());
}

bool sniff_video(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;  // a pipe's first bytes would be lost
  std::array<char, 400> start{};
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), start.size());
  const std::string_view s(start.data(), static_cast<size_t>(file.gcount()));
  const auto at = [&](size_t place, std::string_view bytes) {
    return s.size() >= place + bytes.size() && s.substr(place, bytes.size()) == bytes;
  };
  using namespace std::string_view_literals;
  if (at(4, "ftyp")) {
    for (const char* picture : {"heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "avis", "hevc", "jxl ", "crx "})
      if (at(8, picture)) return false;
    return true;
  }
  for (const char* box : {"moov", "mdat", "wide", "free", "skip", "pnot"})
    if (at(4, box)) return true;
  for (const auto& magic : {"\x1a\x45\xdf\xa3"sv, "FLV\x01"sv, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv, "OggS"sv,
                            "\x06\x0e\x2b\x34"sv, "YUV4MPEG2"sv, "DKIF"sv, "\0\0\1\xba"sv, "\0\0\1\xb3"sv})
    if (at(0, magic)) return true;
  if (at(0, "RIFF") && at(8, "AVI ")) return true;
  const auto synchronised = [&](size_t first, size_t packet) { return at(first, "G") && at(first + packet, "G"); };
  return s.size() > 196 && (synchronised(0, 188) || synchronised(4, 192));
}

bool is_video_name(const fs::path& path) {
  std::string e = path.extension().string();
  for (char& c : e) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* ending : {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts",  ".m2ts",
                             ".mts", ".vob", ".flv", ".wmv", ".asf",  ".ogv", ".3gp", ".mxf",  ".y4m", ".dv"})
    if (e == ending) return true;
  return false;
}

}  // namespace gpen
