#include "support/serve_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "support/command.h"

namespace gpen::test {
namespace {

constexpr double kStartSeconds = 120;  // on a busy machine, under a sanitizer

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

void redirect(int stream, const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || dup2(file, stream) < 0) _exit(126);
}

}  // namespace

ServeProcess::ServeProcess(const std::string& program, const std::vector<std::string>& arguments,
                           const std::vector<std::pair<std::string, std::string>>& environment) {
  ::signal(SIGPIPE, SIG_IGN);  // a server that hangs up is an error of the client's call, not the end of the test
  std::vector<std::string> words = {program, "serve", "--port", "0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::filesystem::path out = folder_ / "out", error = folder_ / "err", none = folder_ / "none";
  pid_ = fork();
  if (pid_ == 0) {
    redirect(STDOUT_FILENO, out);
    redirect(STDERR_FILENO, error);
    setenv("GPEN_MODELS", none.c_str(), 1);
    setenv("XDG_DATA_HOME", none.c_str(), 1);
    setenv("XDG_CACHE_HOME", none.c_str(), 1);
    unsetenv("GPEN_API_KEY");
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    if (chdir(folder_.path().c_str()) != 0) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  const auto start = std::chrono::steady_clock::now();
  while (running() && std::chrono::steady_clock::now() - start < std::chrono::duration<double>(kStartSeconds)) {
    const std::string said = read_text(out);
    if (const size_t end = said.find('\n'); end != std::string::npos) {
      port_ = std::atoi(said.c_str() + said.rfind(':', end) + 1);
      return;
    }
    pause();
  }
}

ServeProcess::~ServeProcess() {
  if (running()) {
    kill(pid_, SIGKILL);
    wait(60);
  }
}

void ServeProcess::signal(int number) const { kill(pid_, number); }

int ServeProcess::wait(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (code_ == -1) {
    int state = 0;
    if (waitpid(pid_, &state, WNOHANG) == pid_)
      code_ = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    else if (std::chrono::steady_clock::now() >= end)
      return -1;
    else
      pause();
  }
  return code_;
}

std::string ServeProcess::err() const { return read_text(folder_ / "err"); }

double ServeProcess::resident_mb() const { return status_mb("VmRSS:"); }

double ServeProcess::peak_mb() const { return status_mb("VmHWM:"); }

double ServeProcess::status_mb(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::strtod(line.c_str() + field.size(), nullptr) / 1024;
  }
  return 0;
}

}  // namespace gpen::test
