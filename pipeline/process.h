// Another program, run beside this one: started from an array of words (never through a shell), fed and read through
// pipes, its last lines of stderr kept for error messages.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace gpen {

// Where the program `name` lies: the file that the environment variable `variable` names when it is set, else the first
// one on the PATH. Code::io says which places were looked at.
Result<std::string> find_program(const std::string& name, const char* variable);

class Process {
 public:
  struct Pipes {
    bool input = false;   // write() goes to its stdin; else that is /dev/null
    bool output = false;  // read() comes from its stdout; else that is /dev/null
  };
  // words[0]: the program's file. It runs in a process group of its own, so that a Ctrl-C on the terminal reaches this
  // program alone, which then decides. Code::io when it cannot be started.
  static Result<std::unique_ptr<Process>> start(const std::vector<std::string>& words, Pipes pipes);
  ~Process();  // kills it when it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // All of the bytes. Code::io when the program has closed its input (it has ended, mostly: see finish()).
  Status write(std::span<const uint8_t> bytes);
  // Fills `bytes`; fewer only where the output ends.
  Result<size_t> read(std::span<uint8_t> bytes);
  // The whole rest of its output. Code::io when it is longer than max_bytes.
  Result<std::string> read_all(size_t max_bytes);
  // Closes its pipes and waits for it. Code::io "NAME: its last lines" when it has not ended with 0.
  Status finish();
  // Ends it at once; read() and write() of other threads return. finish() still has to be called, and fails.
  void kill();

 private:
  struct Impl;
  explicit Process(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Runs it to its end; what it printed on stdout (at most max_bytes). stop: asked ten times a second from a thread of
// its own; once it says true the program is killed, and the answer is Code::cancelled.
Result<std::string> run_program(const std::vector<std::string>& words, size_t max_bytes,
                                const std::function<bool()>& stop = nullptr);

}  // namespace gpen
