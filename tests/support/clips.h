// Clips for tests, made by ffmpeg from a picture whose place in every frame is known.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "pipeline/geometry.h"
#include "pipeline/image.h"
#include "pipeline/process.h"

namespace gpen::test {

inline std::string program(const char* name, const char* variable) {
  const Result<std::string> found = find_program(name, variable);
  return found.ok() ? *found : std::string();
}
inline std::string ffmpeg_program() { return program("ffmpeg", "GPEN_FFMPEG"); }
inline std::string ffprobe_program() { return program("ffprobe", "GPEN_FFPROBE"); }

// What it prints; empty, and a failed test, when it fails.
inline std::string output_of(const std::vector<std::string>& words) {
  const Result<std::string> out = run_program(words, size_t{1} << 26);
  if (!out.ok()) ADD_FAILURE() << out.status().message();
  return out.ok() ? *out : std::string();
}
inline std::string ffmpeg(std::vector<std::string> words) {
  words.insert(words.begin(), {ffmpeg_program(), "-nostdin", "-v", "error"});
  return output_of(words);
}
inline std::string ffprobe(std::vector<std::string> words) {
  words.insert(words.begin(), {ffprobe_program(), "-v", "error"});
  return output_of(words);
}

struct Clip {
  int width = 320, height = 240, frames = 250;
  double sway = 30;   // pixels
  double zoom = 0.5;  // frame pixels per picture pixel
  double noise = 4;   // levels, standard deviation
  unsigned seed = 1;
};

// Where the picture lies in a frame: a head that sways, turns and comes nearer and goes away.
inline Affine placed(const Clip& clip, const Image& picture, double frame) {
  const double t = 2 * M_PI * frame / 75;
  const double scale = clip.zoom * (1 + 0.05 * std::sin(0.7 * t)), angle = 0.06 * std::sin(1.1 * t);
  Affine a;
  a.m[0] = {scale * std::cos(angle), -scale * std::sin(angle), 0};
  a.m[1] = {scale * std::sin(angle), scale * std::cos(angle), 0};
  const Point middle = a({picture.width / 2.0, picture.height / 2.0});
  a.m[0][2] = clip.width / 2.0 + clip.sway * std::sin(t) - middle.x;
  a.m[1][2] = clip.height / 2.0 + 0.4 * clip.sway * std::cos(1.3 * t) - middle.y;
  return a;
}

inline Image clip_frame(const Clip& clip, const Image& picture, int frame, ThreadPool& pool) {
  Image out(clip.width, clip.height);
  warp_affine(view(picture), inverse(placed(clip, picture, frame)), view(out), pool);
  std::mt19937 random(clip.seed + static_cast<unsigned>(frame));
  std::normal_distribution<float> noise(0, static_cast<float>(clip.noise));
  for (uint8_t& v : out.rgb) v = to_byte(static_cast<float>(v) + noise(random));
  return out;
}

// The clip's pictures through a pipe into ffmpeg, with `options` between them and the output: other inputs (from 1 on),
// codecs, tags.
inline void make_clip(const Clip& clip, const Image& picture, const std::string& rate,
                      const std::vector<std::string>& options, const std::filesystem::path& file) {
  std::vector<std::string> words = {ffmpeg_program(),
                                    "-nostdin",
                                    "-v",
                                    "error",
                                    "-f",
                                    "rawvideo",
                                    "-pixel_format",
                                    "rgb24",
                                    "-video_size",
                                    std::to_string(clip.width) + "x" + std::to_string(clip.height),
                                    "-framerate",
                                    rate,
                                    "-i",
                                    "pipe:0"};
  words.insert(words.end(), options.begin(), options.end());
  words.insert(words.end(), {"-y", file.string()});
  auto process = Process::start(words, {true, false});
  if (!process.ok()) {
    ADD_FAILURE() << process.status().message();
    return;
  }
  ThreadPool pool(1);
  for (int f = 0; f < clip.frames; ++f)
    if (!(*process)->write(clip_frame(clip, picture, f, pool).rgb).ok()) break;
  const Status status = (*process)->finish();
  EXPECT_TRUE(status.ok()) << status.message();
}

// The decoded frames of a video, as RGB.
inline std::vector<Image> decode(const std::filesystem::path& file, int width, int height) {
  std::vector<Image> frames;
  auto process = Process::start(
      {ffmpeg_program(), "-nostdin", "-v", "error", "-i", file.string(), "-map", "0:v:0", "-vf",
       "scale=flags=bicubic+accurate_rnd+full_chroma_int", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"},
      {false, true});
  if (!process.ok()) return frames;
  for (;;) {
    Image frame(width, height);
    const Result<size_t> got = (*process)->read(frame.rgb);
    if (!got.ok() || *got < frame.rgb.size()) break;
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace gpen::test
