// gpen restore on videos of all kinds: what must be kept is kept.
#include "support/video_run.h"

namespace gpen::test {
namespace {

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

}  // namespace
}  // namespace gpen::test
