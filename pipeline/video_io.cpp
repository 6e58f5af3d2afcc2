#include "pipeline/video_io.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <sstream>

#include "pipeline/file_io.h"
#include "pipeline/raw_matroska.h"
#include "pipeline/video_codecs.h"

namespace gpen {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr size_t kMostTimes = size_t{1} << 30;  // bytes of the list of frames: about 20 million of them
// Conversions between YUV and RGB: rounded, and with the colours interpolated.
constexpr const char* kScaler = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp";

void append(Words* words, std::initializer_list<std::string> more) { words->insert(words->end(), more); }
void append(Words* words, const Words& more) { words->insert(words->end(), more.begin(), more.end()); }

// Every frame once, with its own time.
Words frame_for_frame(const VideoTools& tools) { return {tools.has_fps_mode ? "-fps_mode" : "-vsync", "passthrough"}; }

Words start_of(const VideoTools& tools, const VideoInfo& info, const fs::path& path) {
  Words words = {tools.ffmpeg, "-nostdin", "-hide_banner", "-v", "error"};
  append(&words, safe_input_options());
  append(&words, {"-i", input_address(path), "-map", concat("0:", info.index)});
  append(&words, frame_for_frame(tools));
  return words;
}

// One picture for one picture; the filter leaves alone what is marked progressive.
std::string deinterlace(const VideoInfo& info) {
  return info.interlaced ? "bwdif=mode=send_frame:parity=auto:deint=interlaced," : "";
}

// A line of the framecrc format: "stream, dts, pts, duration, size, crc".
bool parse_frame(const std::string& line, int64_t* time, int64_t* duration) {
  long long stream = 0, dts = 0, pts = 0, length = 0;
  if (std::sscanf(line.c_str(), "%lld, %lld, %lld, %lld,", &stream, &dts, &pts, &length) != 4) return false;
  *time = pts;
  *duration = length;
  return true;
}

}  // namespace

int64_t VideoTimes::nanoseconds(size_t a, size_t b) const {
  const auto at = [this](size_t i) { return i < times.size() ? times[i] : times.back() + last_duration; };
  const auto ticks = static_cast<long double>(at(b) - at(a));
  return std::llround(ticks * 1e9L * static_cast<long double>(time_base.num) / static_cast<long double>(time_base.den));
}

Result<VideoTimes> read_times(const VideoTools& tools, const VideoInfo& info, const fs::path& path,
                              const std::function<bool()>& stop) {
  Words words = start_of(tools, info, path);
  append(&words, {"-enc_time_base", info.time_base.text(), "-vf", deinterlace(info) + "format=gray", "-f", "framecrc",
                  "pipe:1"});
  Result<std::string> listing = run_program(words, kMostTimes, stop);
  if (listing.status().code() == Code::cancelled) return listing.status();
  if (!listing.ok()) return fail(Code::io, path.string(), ": cannot be decoded: ", listing.status().message());
  VideoTimes times;
  times.time_base = info.time_base;
  std::istringstream lines(*listing);
  for (std::string line; std::getline(lines, line);) {
    int64_t time = 0, duration = 0;
    long long num = 0, den = 0;
    if (std::sscanf(line.c_str(), "#tb 0: %lld/%lld", &num, &den) == 2) {
      if (num <= 0 || den <= 0) return fail(Code::io, path.string(), ": has a time base of ", num, "/", den);
      times.time_base = {num, den};
    } else if (std::sscanf(line.c_str(), "#dimensions 0: %dx%d", &times.width, &times.height) == 2) {
      continue;
    } else if (parse_frame(line, &time, &duration)) {
      // Two frames of one time (damaged files) are drawn apart by the least there is.
      if (!times.times.empty()) time = std::max(time, times.times.back() + 1);
      times.times.push_back(time);
      times.last_duration = std::max<int64_t>(duration, 1);
    }
  }
  const LoadOptions limits;
  if (times.times.empty()) return fail(Code::io, path.string(), ": no picture in it can be decoded");
  if (times.width < 1 || times.height < 1 || times.width > limits.max_side || times.height > limits.max_side ||
      int64_t{times.width} * times.height > limits.max_pixels)
    return fail(Code::io, path.string(), ": its pictures have ", times.width, " x ", times.height, " pixels");
  return times;
}

Result<std::unique_ptr<VideoReader>> VideoReader::open(const VideoTools& tools, const VideoInfo& info,
                                                       const VideoTimes& times, const fs::path& path, int64_t first) {
  GPEN_ASSIGN(const std::string matrix, conversion_matrix(info, times.height, times.width));
  std::string filter = deinterlace(info);
  // Frames that another run has restored are decoded, as those behind need them, but go no further.
  if (first > 0) filter += concat("select='gte(n,", first, ")',");
  filter += concat("scale=w=", times.width, ":h=", times.height, ":out_range=full:", kScaler);
  if (!info.is_rgb) filter += concat(":in_color_matrix=", matrix, ":in_range=", info.full_range ? "full" : "limited");
  const bool deep = info.bits > 8;
  filter += deep ? ",format=rgb48le" : ",format=rgb24";
  Words words = start_of(tools, info, path);
  append(&words, {"-vf", filter, "-f", "rawvideo", "pipe:1"});
  std::unique_ptr<VideoReader> reader(new VideoReader);
  GPEN_ASSIGN(reader->process_, Process::start(words, {false, true}));
  reader->width_ = times.width;
  reader->height_ = times.height;
  reader->deep_ = deep;
  reader->next_ = first;
  reader->end_ = static_cast<int64_t>(times.times.size());
  reader->name_ = path.string();
  return reader;
}

Result<std::optional<VideoFrame>> VideoReader::next() {
  if (next_ == end_) {
    uint8_t beyond = 0;
    GPEN_ASSIGN(const size_t more, process_->read({&beyond, 1}));
    if (more > 0) return fail(Code::io, name_, ": has changed while it was read: more frames than before");
    GPEN_RETURN_IF_ERROR(process_->finish().in(name_));
    return std::optional<VideoFrame>();
  }
  VideoFrame frame;
  frame.number = next_;
  frame.picture = Image(width_, height_);
  const size_t samples = frame.picture.rgb.size();
  std::span<uint8_t> bytes(frame.picture.rgb);
  if (deep_) {
    frame.deep.resize(samples);
    bytes = {reinterpret_cast<uint8_t*>(frame.deep.data()), 2 * samples};  // both are little-endian
  }
  GPEN_ASSIGN(const size_t got, process_->read(bytes));
  if (got < bytes.size()) {
    GPEN_RETURN_IF_ERROR(process_->finish().in(name_));
    return fail(Code::io, name_, ": ends at frame ", next_, " of ", end_, " when it is read again");
  }
  for (size_t i = 0; deep_ && i < samples; ++i)
    frame.picture.rgb[i] = static_cast<uint8_t>((frame.deep[i] + 128u) / 257u);
  ++next_;
  return std::optional<VideoFrame>(std::move(frame));
}

const char* SegmentWriter::extension(const VideoEncoding& encoding) { return video_codec(encoding.codec)->extension; }

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::open(const VideoTools& tools, const VideoInfo& info,
                                                           const VideoTimes& times, const VideoTarget& target,
                                                           const VideoEncoding& encoding, const fs::path& path,
                                                           int64_t first) {
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(times, first));
  writer->path_ = path;
  writer->unfinished_ = path.parent_path() / concat("unfinished-", ::getpid(), path.extension().string());
  const ColourTags tags = output_tags(info);
  const auto known = [](const std::string& name) { return name.empty() ? std::string("unknown") : name; };
  std::string filter =
      concat("scale=in_range=full:out_color_matrix=", target.matrix,
             ":out_range=", tags.full_range ? "full" : "limited", ":", kScaler, ",format=", target.pixel_format,
             ",setparams=range=", known(tags.range), ":color_primaries=", known(tags.primaries),
             ":color_trc=", known(tags.transfer), ":colorspace=", known(tags.matrix));
  const Rational& pixel = info.sample_aspect;  // 0: the source does not say, and neither does the result
  filter += pixel.num > 0 ? concat(",setsar=", pixel.num, "/", pixel.den, ":max=2000000000") : ",setsar=0";

  Words words = {tools.ffmpeg, "-nostdin", "-hide_banner", "-v",   "error", "-f",
                 "matroska",   "-i",       "pipe:0",       "-map", "0:v:0"};
  append(&words, {"-vf", filter});
  append(&words, frame_for_frame(tools));
  append(&words, {"-enc_time_base", times.time_base.text()});
  append(&words, encoder_options(encoding));
  append(&words, tag_options(tags));
  if (std::string_view(extension(encoding)) != ".mkv")
    append(&words, {"-video_track_timescale", std::to_string(times.time_base.den)});
  append(&words, {"-map_metadata", "-1", "-y", input_address(writer->unfinished_)});
  GPEN_ASSIGN(writer->process_, Process::start(words, {true, false}));

  const double rate = info.frame_rate.num > 0 ? info.frame_rate.value() : 25;
  const auto header = raw_matroska_header(target.width, target.height, target.deep, std::llround(1e9 / rate));
  GPEN_RETURN_IF_ERROR(writer->write(header));
  return writer;
}

Status SegmentWriter::add(const VideoFrame& frame) {
  std::span<const uint8_t> bytes(frame.picture.rgb);
  if (!frame.deep.empty()) bytes = {reinterpret_cast<const uint8_t*>(frame.deep.data()), 2 * frame.deep.size()};
  const int64_t time = times_.nanoseconds(static_cast<size_t>(first_), static_cast<size_t>(frame.number));
  GPEN_RETURN_IF_ERROR(write(raw_matroska_frame(time, bytes.size())));
  return write(bytes);
}

Status SegmentWriter::write(std::span<const uint8_t> bytes) {
  const Status status = process_->write(bytes);
  if (status.ok()) return status;
  // Its last words say more than the broken pipe does.
  const Status reason = process_->finish();
  return reason.ok() ? status : reason;
}

Status SegmentWriter::finish() {
  GPEN_RETURN_IF_ERROR(process_->finish());
  return move_when_synced(unfinished_, path_);
}

}  // namespace gpen
