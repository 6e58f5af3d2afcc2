// What the benchmark programs have in common: options, the choice of problems, exit codes.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "bench/problems.h"
#include "runtime/status.h"

namespace gpen::bench {

struct Options {
  std::string isa, json;
  int threads = 0;  // 0: all that this process may use
  int reps = 7;
  Precision precision = Precision::fp32;

  void add_to(CLI::App* app);
  void add_precision_to(CLI::App* app);
  Status take_isa() const;  // for weights packed from now on; Code::device
  FILE* text() const { return json == "-" ? stderr : stdout; }
};

struct ProblemOptions : Options {
  std::string problems, filter;

  void add_to(CLI::App* app);
  // The problems whose name contains `filter`. Code::usage when none is left.
  Result<std::vector<Problem>> chosen() const;
};

// Parses, runs and reports: 0, or the exit code of the `gpen` command for what went wrong (app/exit_codes.h).
int run_program(CLI::App& app, int argc, char** argv, const std::function<Status()>& body);

}  // namespace gpen::bench
