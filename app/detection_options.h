// Which detector, and which of the faces it finds: the options that `detect` and `restore` share.
#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/detection.h"

namespace gpen::app {

struct DetectionArguments {
  std::string detector;  // MODEL, "none", or empty: the best one that is installed
  int detect_size = -1;  // -1: as published (above 1500 pixels, shrink to 1000); 0: never shrink; else shrink to this
  std::string angles = "0";  // "0,90,180,270", "all"
  DetectionOptions options;
  std::vector<CLI::Option*> filters;  // --threshold, --min-face, ...: mean nothing without detection

  void add_to(CLI::App* sub, bool may_be_none);
  // Code::usage for angles that are no numbers.
  Result<DetectionOptions> resolved() const;
  // The name of a filter that was given, or empty.
  std::string given_filter() const;
};

}  // namespace gpen::app
