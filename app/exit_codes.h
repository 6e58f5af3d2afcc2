// The exit codes of the command, a promise to scripts: 0 all done, 1 some inputs failed, 2 usage, 3 model or weights,
// 4 input or output, 5 device, 6 out of memory.
#pragma once
#include "runtime/status.h"

namespace gpen::app {

enum ExitCode : int {
  kDone = 0,
  kSomeFailed = 1,
  kUsage = 2,
  kModel = 3,
  kIo = 4,
  kDevice = 5,
  kMemory = 6,
};

// A run that was cancelled, or met an error of our own making, has not done what was asked: some inputs failed.
constexpr ExitCode exit_code(Code code) {
  switch (code) {
    case Code::ok:
      return kDone;
    case Code::usage:
      return kUsage;
    case Code::model:
      return kModel;
    case Code::io:
      return kIo;
    case Code::device:
      return kDevice;
    case Code::memory:
      return kMemory;
    case Code::cancelled:
    case Code::internal:
      return kSomeFailed;
  }
  return kSomeFailed;
}

}  // namespace gpen::app
