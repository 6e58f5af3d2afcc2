// gpen restore on videos: what must be kept is kept, what must not tremble does not, and a run that was stopped goes
// on.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/clips.h"
#include "support/command.h"
#include "support/pictures.h"

#define GPEN_NEEDS_FFMPEG() \
  if (ffmpeg_program().empty() || ffprobe_program().empty()) GTEST_SKIP() << "needs the programs ffmpeg and ffprobe"

namespace gpen::test {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;
namespace fs = std::filesystem;

constexpr const char* kDetector = "weights/retinaface_mobilenet0.25_zip.pth";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Digest of the packets of some streams ("a", "s", "0"), as they lie in the file.
std::string digest(const fs::path& file, const std::string& streams) {
  return ffmpeg({"-i", file.string(), "-map", "0:" + streams, "-c", "copy", "-f", "streamhash", "-"});
}

json probe(const fs::path& file) {
  return json::parse(
      ffprobe({"-show_streams", "-show_format", "-show_chapters", "-count_frames", "-of", "json", file.string()}),
      nullptr, false);
}

json video_of(const json& probed) {
  for (const json& s : probed["streams"])
    if (s["codec_type"] == "video") return s;
  return {};
}

// The times of the frames, in seconds, in order.
std::vector<std::string> times_of(const fs::path& file) {
  std::vector<std::string> times;
  std::istringstream lines(ffprobe({"-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time",
                                    "-of", "csv=p=0", file.string()}));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) times.push_back(line.substr(0, line.find(',')));  // side data makes a line of its own
  return times;
}

double mean_difference(const Image& a, const Image& b) {
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

TEST_F(Video, TenSecondsOfAMovingFace) {
  GPEN_NEEDS_FFMPEG();
  GPEN_NEEDS_SHARED(kDetector);
  write_text(gpen / "words.srt",
             "1\n00:00:01,000 --> 00:00:03,000\nHello\n\n2\n00:00:05,000 --> 00:00:08,000\nWorld\n");
  const Clip clip;
  make_clip(clip, astronaut(), "25",
            {"-f",
             "lavfi",
             "-i",
             "sine=frequency=440:duration=10",
             "-i",
             gpen.path("words.srt"),
             "-map",
             "0:v",
             "-map",
             "1:a",
             "-map",
             "2:s",
             "-c:v",
             "libx264",
             "-preset",
             "fast",
             "-crf",
             "12",
             "-vf",
             "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
             "-colorspace",
             "bt709",
             "-color_primaries",
             "bt709",
             "-color_trc",
             "bt709",
             "-color_range",
             "tv",
             "-c:a",
             "aac",
             "-c:s",
             "mov_text",
             "-metadata",
             "title=A head",
             "-metadata:s:a:0",
             "language=eng"},
            gpen / "clip.mp4");
  const auto run = [&](const std::string& out, const Lines& more) {
    Lines line = {"restore",
                  "-i",
                  "clip.mp4",
                  "-o",
                  out,
                  "-m",
                  "sharpen",
                  "--size",
                  "256",
                  "--detector",
                  shared_file(kDetector).string(),
                  "--json",
                  out + ".json"};
    line.insert(line.end(), more.begin(), more.end());
    const CommandResult r = gpen(line);
    EXPECT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(r.out, out + "\n");
    return json::parse(read_text(gpen / (out + ".json")), nullptr, false)["videos"][0];
  };
  const json report = run("out.mp4", {});
  // Nothing lies about but what was asked for.
  EXPECT_EQ(gpen.listing(), (Lines{"clip.mp4", "out.mp4", "out.mp4.json", "words.srt"}));

  // Frames, duration, sound, subtitles, tags.
  const json before = probe(gpen / "clip.mp4"), after = probe(gpen / "out.mp4");
  ASSERT_EQ(after["streams"].size(), 3u);
  EXPECT_EQ(video_of(after)["nb_read_frames"], "250");
  EXPECT_EQ(before["format"]["duration"], after["format"]["duration"]);
  EXPECT_EQ(after["format"]["tags"]["title"], "A head");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(before["streams"][i]["codec_type"], after["streams"][i]["codec_type"]);
    EXPECT_EQ(before["streams"][i]["duration"], after["streams"][i]["duration"]) << i;
    EXPECT_EQ(before["streams"][i]["start_time"], after["streams"][i]["start_time"]) << i;
  }
  EXPECT_EQ(after["streams"][1]["tags"]["language"], "eng");
  expect_kept("clip.mp4", "out.mp4");
  EXPECT_EQ(video_of(after)["color_space"], "bt709");
  EXPECT_EQ(video_of(after)["avg_frame_rate"], "25/1");
  EXPECT_EQ(digest(gpen / "clip.mp4", "a"), digest(gpen / "out.mp4", "a"));
  EXPECT_EQ(digest(gpen / "clip.mp4", "s"), digest(gpen / "out.mp4", "s"));

  // One face, on every frame, followed all the way; its landmarks tremble at most half as much as detected.
  EXPECT_EQ(report["frames_with_faces"], 250);
  EXPECT_EQ(report["tracks"], 1);
  const double detected = report["landmark_jitter"]["detected"], smoothed = report["landmark_jitter"]["smoothed"];
  printf("landmark jitter: %.3f crop pixels detected, %.3f smoothed\n", detected, smoothed);
  EXPECT_GT(detected, 0);
  EXPECT_LE(smoothed, 0.5 * detected);

  // The picture: the face has changed, the corners have not; and what the restoration adds to a frame, moved along with
  // the head, changes less from frame to frame than without smoothing.
  const json plain = run("plain.mp4", {"--smooth", "0"});
  EXPECT_EQ(plain["frames_with_faces"], 250);
  const std::vector<Image> source = decode(gpen / "clip.mp4", 320, 240), steady = decode(gpen / "out.mp4", 320, 240),
                           raw = decode(gpen / "plain.mp4", 320, 240);
  ASSERT_EQ(source.size(), 250u);
  ASSERT_EQ(steady.size(), 250u);
  ASSERT_EQ(raw.size(), 250u);
  const Image picture = astronaut();
  ThreadPool pool(1);
  // The face of the picture, x 180..270, y 60..170, taken back out of every frame.
  const auto face_of = [&](const Image& frame, int f) {
    Affine to_frame = placed(clip, picture, f);
    for (auto& row : to_frame.m) row[2] += 180 * row[0] + 60 * row[1];
    Image face(90, 110);
    warp_affine(view(frame), to_frame, view(face), pool);
    return face;
  };
  const auto flicker = [&](const std::vector<Image>& frames) {  // of what was added, frame to frame
    double sum = 0;
    std::vector<int> last;
    for (int f = 0; f < 250; ++f) {
      const Image a = face_of(frames[static_cast<size_t>(f)], f), b = face_of(source[static_cast<size_t>(f)], f);
      std::vector<int> added(a.rgb.size());
      for (size_t i = 0; i < added.size(); ++i) added[i] = a.rgb[i] - b.rgb[i];
      for (size_t i = 0; i < last.size(); ++i)
        sum += std::abs(added[i] - last[i]) / (249.0 * static_cast<double>(added.size()));
      last = std::move(added);
    }
    return sum;
  };
  const double calm = flicker(steady), restless = flicker(raw);
  printf("flicker of what is added to the face: %.3f levels, %.3f without smoothing\n", calm, restless);
  EXPECT_LE(calm, 1.02 * restless);
  double changed = 0, corner = 0;
  for (size_t f = 0; f < 250; f += 10) {
    changed = std::max(
        changed, mean_difference(face_of(steady[f], static_cast<int>(f)), face_of(source[f], static_cast<int>(f))));
    for (int i = 0; i < 60; ++i)
      corner += std::abs(steady[f].rgb[static_cast<size_t>(i)] - source[f].rgb[static_cast<size_t>(i)]) / 1500.0;
  }
  printf("mean change: face up to %.2f levels, corner %.2f\n", changed, corner);
  EXPECT_GT(changed, 2.5);
  EXPECT_LT(corner, 2.5);
}

TEST_F(Video, GoesOnWhereItWasKilled) {
  GPEN_NEEDS_FFMPEG();
  GPEN_NEEDS_SHARED(kDetector);
  Clip clip;
  clip.frames = 75;
  clip.noise = 2;
  make_clip(clip, astronaut(), "25", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, gpen / "clip.mp4");
  Lines line = {"restore",
                "-i",
                gpen.path("clip.mp4"),
                "-o",
                gpen.path("out.mp4"),
                "-m",
                "sharpen",
                "--size",
                "256",
                "--detector",
                shared_file(kDetector).string(),
                "--segment",
                "0.6",
                "-j",
                "1"};
  Lines words = line;
  words.insert(words.begin(), GPEN_BINARY);
  {
    auto process = Process::start(words, {});
    ASSERT_TRUE(process.ok()) << process.status().message();
    const fs::path second = gpen / ".out.mp4.gpen-part/000001.json";
    for (int i = 0; i < 6000 && !fs::exists(second) && !fs::exists(gpen / "out.mp4"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(fs::exists(second));
    (*process)->kill();
    EXPECT_FALSE((*process)->finish().ok());
  }
  EXPECT_FALSE(fs::exists(gpen / "out.mp4"));
  // Other options begin anew; the same ones go on.
  const CommandResult r = gpen(line);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.err, "goes on behind frame")) << r.err;
  EXPECT_EQ(gpen.listing(), (Lines{"clip.mp4", "out.mp4"}));
  expect_kept("clip.mp4", "out.mp4");
  line[4] = gpen.path("whole.mp4");
  ASSERT_EQ(gpen(line).code, 0);
  const std::vector<Image> a = decode(gpen / "out.mp4", 320, 240), b = decode(gpen / "whole.mp4", 320, 240);
  ASSERT_EQ(a.size(), 75u);
  ASSERT_EQ(b.size(), 75u);
  for (size_t f = 0; f < 75; ++f) EXPECT_EQ(largest_difference(a[f], b[f]), 0) << f;
}

TEST_F(Video, PartsOfAnotherRunAreNotGoneOnWith) {
  GPEN_NEEDS_FFMPEG();
  small_clip("clip.mp4", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, 60);
  // Parts of other options are not gone on with.
  ASSERT_EQ(blind("clip.mp4", "a.mp4").code, 0);
  fs::create_directory(gpen / ".b.mp4.gpen-part");
  write_text(gpen / ".b.mp4.gpen-part/run.json", "{\"not\": \"this run\"}");
  write_text(gpen / ".b.mp4.gpen-part/000000.json", "{\"file\": \"../../x\", \"bytes\": 0, \"seen\": []}");
  const CommandResult r = blind("clip.mp4", "b.mp4");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_FALSE(contains(r.err, "goes on")) << r.err;
  EXPECT_FALSE(fs::exists(gpen / ".b.mp4.gpen-part"));
  EXPECT_EQ(digest(gpen / "a.mp4", "v"), digest(gpen / "b.mp4", "v"));
}

TEST_F(Video, UnevenTimesAndALateStartAreKept) {
  GPEN_NEEDS_FFMPEG();
  // Frames at odd moments, the first a fifth of a second after the sound.
  small_clip("vfr.mp4",
             {"-f", "lavfi", "-i", "sine=duration=3", "-vf", "settb=1/12800,setpts='N*512+mod(N*N*37,211)+2560'",
              "-fps_mode", "passthrough", "-enc_time_base", "1/12800", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a",
              "aac", "-video_track_timescale", "12800"});
  const CommandResult r = blind("vfr.mp4", "out.mp4", {"--segment", "0.2"});
  ASSERT_EQ(r.code, 0) << r.err;
  const std::vector<std::string> times = times_of(gpen / "out.mp4");
  ASSERT_EQ(times.size(), 20u);
  EXPECT_NE(times[0], "0.000000");
  expect_kept("vfr.mp4", "out.mp4");
  EXPECT_EQ(digest(gpen / "vfr.mp4", "a"), digest(gpen / "out.mp4", "a"));
  EXPECT_EQ(probe(gpen / "vfr.mp4")["format"]["duration"], probe(gpen / "out.mp4")["format"]["duration"]);
  // 30000/1001 frames a second, sound longer than the pictures.
  small_clip("ntsc.mp4", {"-f", "lavfi", "-i", "sine=duration=2", "-vf", "settb=1001/30000,setpts=N", "-r",
                          "30000/1001", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"});
  ASSERT_EQ(blind("ntsc.mp4", "ntsc_out.mp4").code, 0);
  expect_kept("ntsc.mp4", "ntsc_out.mp4");
  EXPECT_EQ(video_of(probe(gpen / "ntsc_out.mp4"))["avg_frame_rate"], "30000/1001");
  EXPECT_EQ(digest(gpen / "ntsc.mp4", "a"), digest(gpen / "ntsc_out.mp4", "a"));
}

TEST_F(Video, TenBitsAndHdrTagsAreKept) {
  GPEN_NEEDS_FFMPEG();
  small_clip("hdr.mkv", {"-vf", "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le", "-c:v", "libx264",
                         "-crf", "5", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc",
                         "smpte2084", "-color_range", "tv"});
  ASSERT_EQ(blind("hdr.mkv", "out.mkv", {"--crf", "5"}).code, 0);
  expect_kept("hdr.mkv", "out.mkv");
  const json video = video_of(probe(gpen / "out.mkv"));
  EXPECT_EQ(video["pix_fmt"], "yuv420p10le");
  EXPECT_EQ(video["color_transfer"], "smpte2084");
  EXPECT_EQ(video["color_space"], "bt2020nc");
  // Full range stays full range, and the levels stay where they are.
  small_clip("full.mp4", {"-vf", "scale=out_color_matrix=bt709:out_range=pc,format=yuv444p", "-c:v", "libx264", "-crf",
                          "5", "-colorspace", "bt709", "-color_range", "pc"});
  ASSERT_EQ(blind("full.mp4", "full_out.mp4", {"--crf", "5"}).code, 0);
  expect_kept("full.mp4", "full_out.mp4");
  EXPECT_EQ(video_of(probe(gpen / "full_out.mp4"))["color_range"], "pc");
  const auto a = decode(gpen / "full.mp4", 96, 64), b = decode(gpen / "full_out.mp4", 96, 64);
  ASSERT_EQ(a.size(), 20u);
  ASSERT_EQ(b.size(), 20u);
  EXPECT_LT(mean_difference(a[10], b[10]), 1.5);
}

TEST_F(Video, OddSizesRotationInterlacingAndSubtitles) {
  GPEN_NEEDS_FFMPEG();
  small_clip("odd.mkv", {"-c:v", "ffv1"}, 5, 97, 63);  // RGB
  const CommandResult odd = blind("odd.mkv", "odd.mp4", {"--crf", "5"});
  ASSERT_EQ(odd.code, 0) << odd.err;
  EXPECT_EQ(video_of(probe(gpen / "odd.mp4"))["width"], 97);
  EXPECT_EQ(video_of(probe(gpen / "odd.mp4"))["height"], 63);
  EXPECT_TRUE(contains(odd.err, "yuv444p")) << odd.err;
  EXPECT_LT(mean_difference(decode(gpen / "odd.mkv", 97, 63)[2], decode(gpen / "odd.mp4", 97, 63)[2]), 3);

  small_clip("upright.mp4", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, 5);
  ffmpeg({"-i", gpen.path("upright.mp4"), "-c", "copy", "-metadata:s:v:0", "rotate=90", gpen.path("turned.mp4")});
  const auto shown = decode(gpen / "turned.mp4", 64, 96);
  ASSERT_EQ(blind("turned.mp4", "turned_out.mp4").code, 0);
  const json turned = video_of(probe(gpen / "turned_out.mp4"));
  EXPECT_EQ(turned["width"], 64);
  EXPECT_EQ(turned["height"], 96);
  const auto written = decode(gpen / "turned_out.mp4", 64, 96);
  ASSERT_EQ(shown.size(), 5u);
  ASSERT_EQ(written.size(), 5u);
  EXPECT_LT(mean_difference(shown[3], written[3]), 3);

  small_clip("interlaced.mp4", {"-vf", "format=yuv420p,setfield=tff", "-c:v", "libx264", "-flags", "+ildct+ilme",
                                "-x264-params", "tff=1"});
  const CommandResult interlaced = blind("interlaced.mp4", "progressive.mp4");
  ASSERT_EQ(interlaced.code, 0) << interlaced.err;
  EXPECT_TRUE(contains(interlaced.err, "deinterlaced")) << interlaced.err;
  EXPECT_EQ(times_of(gpen / "interlaced.mp4"), times_of(gpen / "progressive.mp4"));

  // Matroska with text subtitles, a font and chapters: kept in .mkv; in .mp4 the text is converted, and it is said.
  write_text(gpen / "words.srt", "1\n00:00:00,100 --> 00:00:00,500\nHello\n");
  write_text(gpen / "chapters.txt", ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n");
  write_text(gpen / "font.ttf", "not really a font");
  ffmpeg({"-i", gpen.path("upright.mp4"), "-i", gpen.path("words.srt"), "-i", gpen.path("chapters.txt"), "-map", "0:v",
          "-map", "1:s", "-map_metadata", "2", "-attach", gpen.path("font.ttf"), "-metadata:s:t",
          "mimetype=application/x-truetype-font", "-c", "copy", gpen.path("full.mkv")});
  ASSERT_EQ(blind("full.mkv", "full_out.mkv").code, 0);
  const json kept = probe(gpen / "full_out.mkv");
  EXPECT_EQ(kept["streams"].size(), 3u);
  EXPECT_EQ(kept["chapters"].size(), 1u);
  EXPECT_EQ(digest(gpen / "full.mkv", "s"), digest(gpen / "full_out.mkv", "s"));
  const CommandResult converted = blind("full.mkv", "full_out.mp4");
  ASSERT_EQ(converted.code, 0) << converted.err;
  EXPECT_TRUE(contains(converted.err, "mov_text")) << converted.err;
  EXPECT_TRUE(contains(converted.err, "not kept")) << converted.err;
}

TEST_F(Video, ErrorsNameFileAndReasonAndLeaveNothing) {
  GPEN_NEEDS_FFMPEG();
  small_clip("clip.mp4", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, 5);
  write_text(gpen / "text.mp4", "this is no video\n");
  write_text(gpen / "list.mp4", "ffconcat version 1.0\nfile clip.mp4\n");
  write_text(gpen / "playlist.mp4",
             "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n");
  (void)blind_detector();
  ASSERT_TRUE(save_image(test_picture(32, 32), gpen / "photo.png", ImageFormat::png).ok());
  const Lines before = gpen.listing();
  const auto refused = [&](const CommandResult& r, int code, const std::string& text) {
    EXPECT_EQ(r.code, code) << r.err;
    EXPECT_TRUE(contains(r.err, text)) << text << "\n" << r.err;
    EXPECT_EQ(gpen.listing(), before) << text;
  };
  refused(blind("text.mp4", "out.mp4"), 4, "text.mp4");
  refused(blind("list.mp4", "out.mp4"), 4, "list.mp4");
  refused(blind("playlist.mp4", "out.mp4"), 4, "playlist.mp4");
  refused(blind("missing.mp4", "out.mp4"), 4, "missing.mp4");
  refused(blind("clip.mp4", "nowhere/out.mp4"), 4, "nowhere");
  refused(blind("clip.mp4", "clip.mp4"), 4, "overwrite an input");
  refused(blind("clip.mp4", "out.avi"), 2, ".mkv");
  refused(blind("clip.mp4", "out.mp4", {"--video-codec", "xvid"}), 2, "libx265");
  refused(blind("clip.mp4", "out.mp4", {"--video-codec", "ffv1", "--crf", "9"}), 2, "ffv1");
  refused(blind("clip.mp4", "out.mp4", {"--video-preset", "nonsense"}), 4, "nonsense");
  refused(blind("clip.mp4", "out.mp4", {"--quality", "90"}), 2, "--crf");
  refused(blind("clip.mp4", "out.mp4", {"--compare"}), 2, "--compare");
  refused(blind("clip.mp4", "out.mp4", {"--aligned"}), 2, "--aligned");
  refused(gpen({"restore", "-i", "clip.mp4", "-i", "photo.png", "-o", "out"}), 2, "runs of their own");
  refused(gpen({"restore", "-i", "photo.png", "--aligned", "-o", "o.png", "--crf", "20"}), 2, "--crf");
  gpen.set_environment("PATH", "/nonexistent");
  refused(blind("clip.mp4", "out.mp4"), 4, "apt install ffmpeg");
  gpen.set_environment("GPEN_FFMPEG", gpen.path("photo.png"));
  refused(blind("clip.mp4", "out.mp4"), 4, "GPEN_FFMPEG");
}

// A video is told by what is in the file.
TEST_F(Video, IsToldByItsContent) {
  GPEN_NEEDS_FFMPEG();
  small_clip("clip.mkv", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, 5);
  fs::rename(gpen / "clip.mkv", gpen / "clip");
  const CommandResult r = blind("clip", "out.mkv");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(times_of(gpen / "out.mkv").size(), 5u);
}

}  // namespace
}  // namespace gpen::test
