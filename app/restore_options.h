// The options of `gpen restore`, and the networks they ask for.
#pragma once
#include <string>
#include <vector>

#include "app/compute_options.h"
#include "app/detection_options.h"
#include "app/inputs.h"
#include "app/photo_options.h"
#include "app/video_options.h"
#include "pipeline/models.h"
#include "pipeline/restore.h"

namespace gpen::app {

struct RestoreArguments {
  std::vector<std::string> inputs;
  std::string output, format;
  std::string model, parser, sr, task = "restore";  // models: empty = the default, "none" where allowed
  int size = 0, sr_scale = 0;                       // 0: not given
  std::string faces, save_faces, json, jsonl;       // jsonl: a report with a line for each photo
  std::string list, shard;                          // list: a file with the names of inputs, or -
  int quality = 0;                                  // 0: not given
  bool recursive = false, skip_existing = false, timings = false, null = false;
  DetectionArguments detection;
  ComputeOptions compute;
  PhotoArguments photo;
  RestoreOptions restore;
  VideoArguments video;
  std::vector<CLI::Option*> whole_photo;  // options that mean nothing with --aligned
  std::vector<CLI::Option*> photos_only;  // options that mean nothing for videos

  void add_to(CLI::App* sub);
  bool demo() const { return inputs.empty() && list.empty(); }
  // Whether stdout is for a picture or a report, and not for the names of the files written.
  bool writes_to_stdout() const { return output == kStdout || json == "-" || jsonl == "-"; }
  // Fills in what follows from other options: the tasks other than restore take aligned faces unless told otherwise.
  Status complete();
  // Code::usage when options contradict each other; Code::device for what this build cannot compute with.
  Status check() const;
  ModelChoice models() const;

 private:
  Status check_streams() const;
};

}  // namespace gpen::app
