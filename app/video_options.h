// The options of `gpen restore` that are for videos.
#pragma once
#include <CLI/CLI.hpp>
#include <vector>

#include "pipeline/face_tracks.h"
#include "pipeline/video_io.h"

namespace gpen::app {

struct VideoArguments {
  VideoEncoding encoding;
  TrackingOptions tracking;
  double segment_seconds = 5;
  std::vector<CLI::Option*> all;

  void add_to(CLI::App* sub);
  // The first of them that was given, or empty.
  std::string given() const;
};

}  // namespace gpen::app
