#include "app/video_options.h"

namespace gpen::app {

void VideoArguments::add_to(CLI::App* sub) {
  all = {
      sub->add_option("--video-codec", encoding.codec,
                      "Encoder of ffmpeg: " + video_codec_names() + "\n(default libx264)"),
      sub->add_option("--crf", encoding.crf,
                      "Quality of the encoder, lower is better (default 17 for libx264, 19 for libx265,\n"
                      "24 for libsvtav1, 19 and 21 for h264_nvenc and hevc_nvenc)")
          ->check(CLI::Range(0, 63)),
      sub->add_option("--video-preset", encoding.preset, "Preset of the encoder (default medium, 6 or p5)"),
      sub->add_option("--smooth", tracking.sigma,
                      "Frames over which landmarks are smoothed (sigma; default 3); 0: every frame by itself")
          ->check(CLI::Range(0.0, 25.0)),
      sub->add_option("--detect-every", tracking.detect_every,
                      "Detect faces on every Nth frame and interpolate between (default 1)")
          ->check(CLI::Range(1, 30)),
      sub->add_option("--segment", segment_seconds, "Seconds of video after which what is done is safe (default 5)")
          ->check(CLI::Range(0.1, 3600.0)),
  };
  for (CLI::Option* option : all) option->group("Video");
}

std::string VideoArguments::given() const {
  for (const CLI::Option* option : all)
    if (option->count() > 0) return option->get_name();
  return "";
}

}  // namespace gpen::app
