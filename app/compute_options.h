// --device, --precision and -j: the options of every subcommand that computes.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen::app {

struct ComputeOptions {
  std::string device = "auto";     // auto | cpu | cuda | cuda:N
  std::string precision = "fp32";  // fp32 | tf32 | bf16 | fp16
  int threads = 0;                 // 0: all that this process may use

  void add_to(CLI::App* sub);
  // Code::usage for a name that is none; Code::device for a device or a precision that this build cannot provide.
  Status check() const;
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
