// What becomes of a photo beside its faces: its metadata and its gray.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "pipeline/tasks.h"

namespace gpen::app {

struct PhotoArguments {
  std::string gray = "rgb";
  bool strip_metadata = false;

  void add_to(CLI::App* sub);
  bool keep_gray() const { return gray == "keep"; }
  // Code::usage when options contradict each other.
  Status check(Task task) const;
};

}  // namespace gpen::app
