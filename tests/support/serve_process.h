// A running `gpen serve` on a port of its own, stopped with the object.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "support/shared_data.h"

namespace gpen::test {

class ServeProcess {
 public:
  // program: usually GPEN_BINARY. Starts `program serve --port 0 ARGUMENTS...` without any installed
  // model in sight and waits until it says where it listens; port() is 0 when it does not.
  // SIGPIPE is ignored in the test from now on.
  ServeProcess(const std::string& program, const std::vector<std::string>& arguments,
               const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~ServeProcess();  // kills what still runs
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;

  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Waits for the end, at most so long: the exit code, 128 + signal, or -1 while it runs.
  int wait(double seconds);
  std::string err() const;     // what it has written to stderr so far
  double resident_mb() const;  // 0 when it is gone
  double peak_mb() const;      // the most it ever had resident
  bool running() { return wait(0) == -1; }

 private:
  double status_mb(const std::string& field) const;
  TemporaryFolder folder_;
  pid_t pid_ = -1;
  int port_ = 0, code_ = -1;
};

}  // namespace gpen::test
