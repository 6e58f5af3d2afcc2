// The released models: names, files, sizes, SHA-256, addresses, and where installed ones are looked for.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace gpen {

struct ReleasedModel {
  std::string name;                    // "gpen-bfr-512", "retinaface-r50", "parsenet", "realesrnet-x2", ...
  std::string architecture;            // for parse_architecture()
  std::string file;                    // as released: "GPEN-BFR-512.pth"
  int64_t bytes = 0;                   // 0: not stated
  std::string sha256;                  // empty: not stated, recorded on first download
  std::vector<std::string> addresses;  // mirrors, tried in order
  std::string task;                    // "restore", "colorize", "inpaint", "seg2face", "detect", "parse", "upscale"
};
const std::vector<ReleasedModel>& catalogue();
const ReleasedModel* find_released(const std::string& name);

// Folders searched for installed models, first match wins: $GPEN_MODELS (a list separated by ':'), ./weights,
// $XDG_DATA_HOME/gpen (default ~/.local/share/gpen), <prefix>/share/gpen/weights.
std::vector<std::filesystem::path> model_folders();
std::filesystem::path install_folder();  // where gpen fetch puts a model: the first of $GPEN_MODELS, or the XDG folder
// A MODEL argument to a path: an existing file is itself; a catalogue name is NAME.safetensors or the released .pth
// in a model folder. Code::model "gpen-bfr-512 is not installed; looked in ...; get it with: gpen fetch gpen-bfr-512".
Result<std::filesystem::path> resolve_model(const std::string& name_or_path);
// Installed path of a catalogue name, or empty.
std::filesystem::path installed_model(const std::string& name);

}  // namespace gpen
