// --device, --precision and -j: the options of every subcommand that computes.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "kernels/precision.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen::app {

struct ComputeOptions {
  std::string device = "auto";     // auto | cpu | cuda | cuda:N
  std::string precision = "fp32";  // fp32 | bf16 (of a GPEN) | tf32 and fp16, which the CPU does not have
  int threads = 0;                 // 0: all that this process may use

  void add_to(CLI::App* sub);
  // Code::usage for a name that is none; Code::device for a device or a precision that this build cannot provide.
  Status check() const;
  // Of a GPEN on the CPU. Other networks compute in fp32.
  Precision gpen_precision() const { return precision == "bf16" ? Precision::bf16 : Precision::fp32; }
  // Code::usage when bf16 was asked for but no GPEN takes part; `what` is the network in words.
  Status check_fp32(const std::string& what) const;
  std::shared_ptr<ThreadPool> make_pool() const { return std::make_shared<ThreadPool>(threads); }
};

struct CudaDriver {
  bool library = false;  // libcuda.so.1 could be loaded
  bool usable = false;   // and initialised
  int devices = 0;
  std::string reason;  // why it is not usable
  std::vector<std::string> names;
};
// Asks the NVIDIA driver, loaded at run time; the program does not depend on it.
CudaDriver probe_cuda_driver();

}  // namespace gpen::app
