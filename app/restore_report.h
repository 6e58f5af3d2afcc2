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
  std::string output;  // where the restored picture goes, whether it was written or not
  State state = State::failed;
  std::string error;  // failed and no_face: why
  Code code = Code::ok;
  std::string reason;                // skipped: why
  std::vector<std::string> outputs;  // files written, the restored picture first
  int width = 0, height = 0;         // of the result
  std::vector<FaceReport> faces;
  std::vector<std::string> notes;
  std::vector<StageTime> times;  // "read", the pipeline's stages, "write"
  double seconds = 0;
};

// "photo.jpg: 2 faces, 0.8 s", "photo.jpg: no face found, nothing written", ...
std::string summary(const PhotoReport& report);
// The status as a report has it: "done", "failed", "no_face", "skipped".
const char* name_of(PhotoReport::State state);
// One stage a line, indented.
std::string timing_lines(const PhotoReport& report);
// "200 photos: 187 done, 3 failed, 2 without a face, 8 skipped; 65 s, 2.9 photos/s"; left: those that an interrupt left
// undone. The rate is that of the photos done.
std::string batch_summary(const std::vector<PhotoReport>& reports, size_t left, double seconds);
Json to_json(const PhotoReport& report);
// device: "cpu", or the names of the devices that computed: "cuda:0", "cuda:0,cuda:1"; empty, as
// are the models: there was nothing to compute.
Json to_json(const LoadedModels& models, const RestoreArguments& arguments, const std::string& device,
             const std::vector<PhotoReport>& reports);

}  // namespace gpen::app
