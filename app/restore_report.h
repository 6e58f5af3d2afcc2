// What `gpen restore` says about every photo: lines for people, JSON for programs.
#pragma once
#include <string>
#include <vector>

#include "app/json_output.h"
#include "app/restore_options.h"

namespace gpen::app {

struct PhotoReport {
  enum class State { done, failed, no_face, skipped };
  std::string input;
  State state = State::failed;
  std::string error;  // failed and no_face: why
  Code code = Code::ok;
  std::vector<std::string> outputs;  // files written, the restored picture first
  int width = 0, height = 0;         // of the result
  std::vector<FaceReport> faces;
  std::vector<std::string> notes;
  std::vector<StageTime> times;  // "read", the pipeline's stages, "write"
  double seconds = 0;
};

// "photo.jpg: 2 faces, 0.8 s", "photo.jpg: no face found, nothing written", ...
std::string summary(const PhotoReport& report);
// One stage a line, indented.
std::string timing_lines(const PhotoReport& report);
// device: "cpu", or the names of the devices that computed: "cuda:0", "cuda:0,cuda:1".
Json to_json(const LoadedModels& models, const RestoreArguments& arguments, const std::string& device,
             const std::vector<PhotoReport>& reports);

}  // namespace gpen::app
