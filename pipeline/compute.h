// Where to compute: what a person may name as a device and a precision, and opening it.
#pragma once
#include <string>
#include <vector>

#include "layers/network_run.h"
#include "runtime/status.h"

namespace gpen {

struct ComputeChoice {
  std::string device = "auto";     // auto, cpu, cuda, cuda:N, or several: cuda:0,cuda:1
  std::string precision = "fp32";  // fp32, tf32, bf16, fp16, fp16-fast
  int threads = 0;                 // 0: all that this process may use
};

// Code::usage for a name that is none; Code::device, with the reason, for a device that cannot be used here or a
// precision that the device does not have. auto is the first usable CUDA device, else the CPU. Opens nothing. Messages
// begin with "device NAME: " or "precision NAME: ".
Status check(const ComputeChoice& wanted);
// The CUDA devices that are named, none for auto and cpu. Code::usage as of check().
Result<std::vector<int>> cuda_devices_of(const ComputeChoice& wanted);
// Where to compute: the CPU, or the opened devices in the order they were named, the first `most` (1 or more) of them,
// which share the threads. A device gets its measured plans (plan_files.h), and what could not be read of them is
// noted. Errors as of check(), and Code::device or Code::memory when a device cannot be opened.
Result<std::vector<Processor>> open_processors(const ComputeChoice& wanted, size_t most,
                                               std::vector<std::string>* notes);

// What a CUDA device computes in; empty when the device is too old to be used at all.
std::vector<Precision> precisions_of(const DeviceInfo& info);
// "fp32, tf32 or bf16"; last: the word before the last one.
std::string list_text(const std::vector<Precision>& precisions, const char* last);

}  // namespace gpen
