// --device, --precision and -j: the options of every subcommand that computes.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "pipeline/compute.h"
#include "runtime/status.h"
#include "weights/architecture.h"

namespace gpen::app {

struct ComputeOptions {
  std::string device = "auto";     // auto, cpu, cuda, cuda:N, or several: cuda:0,cuda:1
  std::string precision = "fp32";  // fp32, tf32, bf16, fp16, fp16-fast
  int threads = 0;                 // 0: all that this process may use
  bool needs_device = false;       // the command is about a CUDA device: the CPU is no way out, auto is `cuda`

  void add_to(CLI::App* sub);
  ComputeChoice choice() const { return {needs_device && device == "auto" ? "cuda" : device, precision, threads}; }
  // Code::usage for a name that is none; Code::device, with the reason, for a device that cannot be used here or a
  // precision that the device does not have. auto is the first usable CUDA device, else the CPU. Opens nothing.
  Status check() const;
  // Where to compute: the CPU, or the opened devices in the order they were named, the first `most` (1 or more) of
  // them, which share the threads. Errors as of check(), and Code::device or Code::memory when a device cannot be
  // opened.
  Result<std::vector<Processor>> processors(size_t most) const;
  // For what computes in one place. Code::usage when several devices were named.
  Result<Processor> processor() const;

  // Code::usage unless the precision is fp32, for a network that computes in nothing else; `what` is that network.
  Status check_fp32(const std::string& what) const;
  // Code::usage when this network does not compute in the precision: on the CPU only a GPEN in bf16, on a device every
  // network but the detector.
  Status check_precision(const Architecture& arch, const Processor& where) const;
};

}  // namespace gpen::app
