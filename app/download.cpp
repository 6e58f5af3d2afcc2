#include "app/download.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

extern char** environ;

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

// Whether a program of this name lies in $PATH.
bool is_installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  for (size_t begin = 0; begin <= folders.size();) {
    const size_t end = std::min(folders.find(':', begin), folders.size());
    if (end > begin && access((folders.substr(begin, end - begin) + "/" + program).c_str(), X_OK) == 0) return true;
    begin = end + 1;
  }
  return false;
}

// The exit status of the program (no shell in between), or -1 when it could not be run or did not exit by itself.
int run_program(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);  // our stdout is for results
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return -1;
  int state = 0;
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

std::vector<std::string> curl_command(const std::string& address, const fs::path& path, bool resume) {
  std::vector<std::string> command = {
      "curl", "--fail", "--location", "--proto", "=https,http", "--connect-timeout", "20", "--show-error"};
  command.push_back(isatty(STDERR_FILENO) == 1 ? "--progress-bar" : "--silent");
  if (resume) command.insert(command.end(), {"--continue-at", "-"});
  command.insert(command.end(), {"--output", path.string(), "--", address});
  return command;
}

std::vector<std::string> wget_command(const std::string& address, const fs::path& path, bool resume) {
  std::vector<std::string> command = {"wget", "--tries=2", "--timeout=20"};
  command.push_back(isatty(STDERR_FILENO) == 1 ? "--progress=bar" : "--no-verbose");
  if (resume) command.push_back("--continue");
  command.insert(command.end(), {"-O", path.string(), "--", address});
  return command;
}

std::string reason_of(bool curl, int status) {
  if (curl && status == 6) return "the host name could not be resolved (is this machine online?)";
  if (curl && (status == 7 || status == 28)) return "the server could not be reached";
  if (curl && status == 22) return "the server has no such file";
  if (curl && status == 23) return "could not write the file (is the disk full?)";
  if (!curl && status == 4) return "network failure (is this machine online?)";
  if (!curl && status == 3) return "could not write the file (is the disk full?)";
  return concat(curl ? "curl" : "wget", status < 0 ? " could not be run" : concat(" ended with status ", status));
}

}  // namespace

Status download(const std::string& address, const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(address, error)) {
    fs::copy_file(address, path, fs::copy_options::overwrite_existing, error);
    return error ? fail(Code::io, address, ": cannot copy to ", path.string(), ": ", error.message()) : Status();
  }
  if (address.find("://") == std::string::npos) return fail(Code::io, address, ": no such file");
  const bool curl = is_installed("curl");
  if (!curl && !is_installed("wget"))
    return fail(Code::io, address, ": cannot download: neither curl nor wget is installed");

  const bool resume = fs::exists(path, error) && fs::file_size(path, error) > 0;
  int status = run_program(curl ? curl_command(address, path, resume) : wget_command(address, path, resume));
  if (resume && curl && (status == 22 || status == 33 || status == 36)) {  // the server does not go on: from the start
    fs::remove(path, error);
    status = run_program(curl_command(address, path, false));
  }
  return status == 0 ? Status() : fail(Code::io, address, ": ", reason_of(curl, status));
}

}  // namespace gpen::app
