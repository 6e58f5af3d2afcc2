#include "support/background.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <thread>

#include "support/command.h"

namespace gpen::test {

namespace {

using Clock = std::chrono::steady_clock;
void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

}  // namespace

BackgroundProgram::BackgroundProgram(std::vector<std::string> words) {
  const std::string out = (streams_ / "output").string();
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  child_ = fork();
  if (child_ != 0) {
    setpgid(child_, child_);
    return;
  }
  setpgid(0, 0);
  const int in = open("/dev/null", O_RDONLY), file = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in < 0 || file < 0 || dup2(in, 0) < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0) _exit(126);
  if (chdir(folder().c_str()) != 0) _exit(126);
  execvp(argv[0], argv.data());
  _exit(127);
}

BackgroundProgram::~BackgroundProgram() { stop(); }

std::string BackgroundProgram::output() const { return read_text(streams_ / "output"); }

std::string BackgroundProgram::wait_for_output(const std::string& pattern, double seconds) {
  const std::regex expression(pattern);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const bool last = !running() || Clock::now() > end;
    std::smatch match;
    const std::string text = output();
    if (std::regex_search(text, match, expression)) return match[1];
    if (last) return "";
    nap();
  }
}

bool BackgroundProgram::running() {
  if (child_ > 0 && waitpid(child_, &status_, WNOHANG) == child_) child_ = -1;
  return child_ > 0;
}

int BackgroundProgram::stop() {
  if (running()) kill(-child_, SIGTERM);
  const auto end = Clock::now() + std::chrono::seconds(10);
  while (running()) {
    if (Clock::now() > end) kill(-child_, SIGKILL);
    nap();
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

bool is_installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

}  // namespace gpen::test
