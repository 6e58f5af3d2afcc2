// The options of `gpen restore`, and the networks they ask for.
#pragma once
#include <string>
#include <vector>

#include "app/compute_options.h"
#include "app/detection_options.h"
#include "app/inputs.h"
#include "app/video_options.h"
#include "pipeline/models.h"
#include "pipeline/restore.h"

namespace gpen::app {

struct RestoreArguments {
  std::vector<std::string> inputs;
  std::string output, format;
  std::string model, parser, sr, task = "restore";  // models: empty = the default, "none" where allowed
  int size = 0, sr_scale = 0;                       // 0: not given
  std::string faces, save_faces, json;
  int quality = 0;  // 0: not given
  bool recursive = false, skip_existing = false, timings = false;
  DetectionArguments detection;
  ComputeOptions compute;
  RestoreOptions restore;
  VideoArguments video;
  std::vector<CLI::Option*> whole_photo;  // options that mean nothing with --aligned
  std::vector<CLI::Option*> photos_only;  // options that mean nothing for videos

  void add_to(CLI::App* sub);
  bool demo() const { return inputs.empty(); }
  // Fills in what follows from other options: the tasks other than restore take aligned faces unless told otherwise.
  Status complete();
  // Code::usage when options contradict each other; Code::device for what this build cannot compute with.
  Status check() const;
  ModelChoice models() const;
};

}  // namespace gpen::app
