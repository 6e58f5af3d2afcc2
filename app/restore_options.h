// The options of `gpen restore`, and the networks they ask for.
#pragma once
#include <string>
#include <vector>

#include "app/compute_options.h"
#include "app/detection_options.h"
#include "app/inputs.h"
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
  std::vector<CLI::Option*> whole_photo;  // options that mean nothing with --aligned

  void add_to(CLI::App* sub);
  bool demo() const { return inputs.empty(); }
  // Fills in what follows from other options: the tasks other than restore take aligned faces unless told otherwise.
  Status complete();
  // Code::usage when options contradict each other; Code::device for what this build cannot compute with.
  Status check() const;
};

// What was loaded, by the names that a report should show (empty: none).
struct LoadedModels {
  Models networks;
  std::string gpen, detector, parser, upscaler;
  int size = 0;                    // output side of the GPEN
  std::vector<std::string> notes;  // for stderr: what stands in for what is not installed
};
// Finds all of them before loading any, so that a missing one is reported at once. Code::model says how to get it.
Result<LoadedModels> load_models(const RestoreArguments& arguments, const Processor& where);

}  // namespace gpen::app
