// A program that runs beside the test: started with its output in a file, ended (SIGTERM, then SIGKILL) with the
// object.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "support/shared_data.h"

namespace gpen::test {

class BackgroundProgram {
 public:
  // words: the program (looked for in PATH) and its arguments. It runs in folder(), in a process group of its own.
  explicit BackgroundProgram(std::vector<std::string> words);
  ~BackgroundProgram();
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  // The first group of the first match of `pattern` in the output (stdout and stderr together), waited for; empty when
  // the program ended or `seconds` passed without one.
  std::string wait_for_output(const std::string& pattern, double seconds);
  std::string output() const;
  bool running();
  // Ends it; its exit code, or 128 + signal.
  int stop();
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_, streams_;
  pid_t child_ = -1;
  int status_ = 0;  // of the child once it has ended
};

// Whether PATH has such a program.
bool is_installed(const std::string& program);

}  // namespace gpen::test
