// One video from its file to the restored one.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/json_output.h"
#include "app/restore_options.h"
#include "pipeline/models.h"
#include "pipeline/video_restore.h"

namespace gpen::app {

struct VideoJob {
  std::filesystem::path input, output;
  Json settings;  // what the result depends on beside the input: another run with the same may go on with the parts
};

struct VideoReport {
  std::string input, output;
  bool skipped = false;
  Status status;
  int width = 0, height = 0;
  int64_t frames = 0, resumed = 0;   // resumed: frames that an earlier run had restored
  double duration = 0, seconds = 0;  // of the video; of the work
  VideoStatistics statistics;        // of the frames of this run
  std::vector<std::string> notes;
};

// The output appears complete or not at all. Code::cancelled after an interrupt: what is done is kept beside the output
// for the next run.
Status restore_one_video(const VideoTools& tools, const VideoJob& job, const RestoreArguments& arguments,
                         Restorer* restorer, VideoReport* report);

}  // namespace gpen::app
