// gpen restore on videos: what must not tremble does not, a run that was stopped goes on, and what is wrong is said.
#include <chrono>
#include <thread>

#include "support/video_run.h"

namespace gpen::test {
namespace {

constexpr const char* kDetector = "weights/retinaface_mobilenet0.25_zip.pth";

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

// Subfolders are kept, and what a run has written is no input of the next one.
TEST_F(Video, FoldersOfVideosKeepTheirStructure) {
  GPEN_NEEDS_FFMPEG();
  fs::create_directories(gpen / "in/sub");
  small_clip("in/a.mkv", {"-c:v", "libx264", "-pix_fmt", "yuv420p"}, 5);
  fs::copy_file(gpen / "in/a.mkv", gpen / "in/sub/a.mkv");
  for (int run = 0; run < 2; ++run) {
    const CommandResult r = blind("in", "in/out", {"--recursive", "--json", "r.json"});
    EXPECT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(contains(r.err, "gpen: 2 files in in/out, the output folder, are left out"), run == 1) << r.err;
    EXPECT_EQ(json::parse(read_text(gpen / "r.json"), nullptr, false)["videos"].size(), 2u);
  }
  EXPECT_EQ(gpen.listing("in"), (Lines{"a.mkv", "out", "sub"}));
  EXPECT_EQ(gpen.listing("in/out"), (Lines{"a.mkv", "sub"}));
  EXPECT_EQ(gpen.listing("in/out/sub"), (Lines{"a.mkv"}));
  const CommandResult flat = blind("in", "in/out");
  EXPECT_EQ(flat.code, 0) << flat.err;
  EXPECT_EQ(gpen.listing("in/out"), (Lines{"a.mkv", "sub"}));
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
