// `gpen restore` on clips, and what ffprobe and ffmpeg see in its results.
#pragma once
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "support/clips.h"
#include "support/command.h"
#include "support/pictures.h"

#define GPEN_NEEDS_FFMPEG() \
  if (ffmpeg_program().empty() || ffprobe_program().empty()) GTEST_SKIP() << "needs the programs ffmpeg and ffprobe"

namespace gpen::test {

using nlohmann::json;
using Lines = std::vector<std::string>;
namespace fs = std::filesystem;

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Digest of the packets of some streams ("a", "s", "0"), as they lie in the file.
inline std::string digest(const fs::path& file, const std::string& streams) {
  return ffmpeg({"-i", file.string(), "-map", "0:" + streams, "-c", "copy", "-f", "streamhash", "-"});
}

inline json probe(const fs::path& file) {
  return json::parse(
      ffprobe({"-show_streams", "-show_format", "-show_chapters", "-count_frames", "-of", "json", file.string()}),
      nullptr, false);
}

inline json video_of(const json& probed) {
  for (const json& s : probed["streams"])
    if (s["codec_type"] == "video") return s;
  return {};
}

// The times of the frames, in seconds, in order.
inline std::vector<std::string> times_of(const fs::path& file) {
  std::vector<std::string> times;
  std::istringstream lines(ffprobe({"-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time",
                                    "-of", "csv=p=0", file.string()}));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) times.push_back(line.substr(0, line.find(',')));  // side data makes a line of its own
  return times;
}

inline double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

class Video : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};

  static Image astronaut() {
    const auto image = load_image(fs::path(GPEN_SOURCE_DIR) / "examples/astronaut.jpg");
    EXPECT_TRUE(image.ok());
    return image.ok() ? *image : Image(512, 512);
  }
  // Formula weights: a detector that finds nothing, so that every frame goes through as it is.
  std::string blind_detector() {
    const fs::path file = gpen / "blind.safetensors";
    if (!fs::exists(file)) {
      EXPECT_EQ(gpen({"synth", "retinaface-mobilenet0.25", "-o", file.string()}).code, 0);
    }
    return file.string();
  }
  CommandResult blind(const std::string& in, const std::string& out, const Lines& more = {}) {
    Lines line = {"restore",        "-i",          in,     "-o", out, "-m", "identity", "--size", "256", "--detector",
                  blind_detector(), "--threshold", "0.999"};
    line.insert(line.end(), more.begin(), more.end());
    return gpen(line);
  }
  // A picture without a face, moving.
  void small_clip(const std::string& name, const Lines& options, int frames = 20, int width = 96, int height = 64) {
    Clip clip;
    clip.width = width;
    clip.height = height;
    clip.frames = frames;
    clip.sway = 5;
    clip.noise = 1;
    make_clip(clip, test_picture(200, 200), "25", options, gpen / name);
  }
  // What must be alike in every case: frames, their times, the tags.
  void expect_kept(const std::string& in, const std::string& out, bool same_size = true) {
    EXPECT_EQ(times_of(gpen / in), times_of(gpen / out));
    const json a = video_of(probe(gpen / in)), b = video_of(probe(gpen / out));
    for (const char* key :
         {"nb_read_frames", "color_range", "color_space", "color_transfer", "color_primaries", "sample_aspect_ratio"})
      EXPECT_EQ(a.value(key, json()), b.value(key, json())) << key;
    if (!same_size) return;
    EXPECT_EQ(a["width"], b["width"]);
    EXPECT_EQ(a["height"], b["height"]);
  }
};

}  // namespace gpen::test
