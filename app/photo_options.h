// What becomes of a photo beside its faces: its metadata, its gray, and the preset that makes a document photo of it.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "pipeline/id_photo.h"
#include "pipeline/restore.h"

namespace gpen::app {

struct PhotoArguments {
  std::string gray = "rgb", preset, id_size = "1inch", background = "none";
  bool strip_metadata = false;
  std::vector<CLI::Option*> of_preset;  // --id-size, --background

  void add_to(CLI::App* sub);
  bool keep_gray() const { return gray == "keep"; }
  bool id_photo() const { return preset == "id-photo"; }
  bool needs_parser() const { return id_photo() && background != "none"; }
  // Code::usage when options contradict each other; parser: the argument of --parser.
  Status check(const RestoreOptions& options, const std::string& parser) const;
  // Code::model when a parser is needed and was not loaded.
  Status check(const Models& models) const;
  // Replaces the restored picture by what the preset makes of it. photo_width: of the photo that was restored.
  Status apply(Restorer& restorer, int photo_width, RestoreResult* result) const;
};

}  // namespace gpen::app
