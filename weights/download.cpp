#include "weights/download.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "weights/utf8.h"

extern char** environ;

namespace gpen {
namespace {

namespace fs = std::filesystem;

// The program's full path, from $PATH; empty when it is not installed.
std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const std::string folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  for (size_t begin = 0; begin <= folders.size();) {
    const size_t end = std::min(folders.find(':', begin), folders.size());
    if (end > begin) {
      const std::string candidate = concat(folders.substr(begin, end - begin), "/", name);
      std::error_code error;
      if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    begin = end + 1;
  }
  return {};
}

int64_t size_of(const fs::path& path) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

// A running program whose standard error is kept: its last line is the reason of a failure.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      (void)wait_status();
    }
    for (int fd : pipe_) {
      if (fd >= 0) ::close(fd);
    }
  }

  bool start(std::vector<std::string> arguments) {
    if (::pipe2(pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, pipe_[1], STDERR_FILENO);
    const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) pid_ = -1;
    return error == 0;
  }

  // Whether the program has ended within the time; collects its messages meanwhile.
  bool ended_within(int milliseconds) {
    pollfd wanted{pipe_[0], POLLIN, 0};
    // Our own copy of the writing end keeps the pipe open, so that poll only wakes for text.
    if (::poll(&wanted, 1, milliseconds) > 0) drain();
    int state = 0;
    const pid_t got = ::waitpid(pid_, &state, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    pid_ = -1;
    drain();
    exit_code_ = got > 0 && WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return true;
  }
  int exit_code() const { return exit_code_; }  // -1: ended by a signal

  std::string last_line() const {
    const size_t end = messages_.find_last_not_of("\r\n ");
    if (end == std::string::npos) return {};
    const size_t begin = messages_.find_last_of("\r\n", end);
    return printable(std::string_view(messages_).substr(begin + 1, end - begin));  // npos + 1 is 0
  }

 private:
  int wait_status() {
    int state = 0;
    while (::waitpid(pid_, &state, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return state;
  }
  void drain() {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t n = ::read(pipe_[0], buffer.data(), buffer.size());
      if (n <= 0) return;
      messages_.append(buffer.data(), static_cast<size_t>(n));
      if (messages_.size() > 2 * buffer.size()) messages_.erase(0, messages_.size() - buffer.size());
    }
  }

  pid_t pid_ = -1;
  std::array<int, 2> pipe_{-1, -1};
  int exit_code_ = -1;
  std::string messages_;
};

std::vector<std::string> curl_command(const std::string& program, const std::string& address, const fs::path& path) {
  const char* protocols = address.rfind("http://", 0) == 0 ? "=http" : "=https";  // http: this machine only
  std::vector<std::string> command = {program,
                                      "--fail",
                                      "--location",
                                      "--silent",
                                      "--show-error",
                                      "--proto",
                                      protocols,
                                      "--proto-redir",
                                      "=https",
                                      "--max-redirs",
                                      "10",
                                      "--speed-limit",
                                      "1",
                                      "--speed-time",
                                      "60",
                                      "--connect-timeout",
                                      "20"};
  if (size_of(path) > 0) command.insert(command.end(), {"--continue-at", "-"});
  command.insert(command.end(), {"--output", path.string(), "--url", address});
  return command;
}

// wget cannot be told to keep to https when it is redirected: it follows nothing.
std::vector<std::string> wget_command(const std::string& program, const std::string& address, const fs::path& path) {
  std::vector<std::string> command = {program, "--no-verbose", "--tries=2", "--timeout=30", "--max-redirect=0"};
  if (size_of(path) > 0) command.push_back("--continue");
  command.insert(command.end(), {concat("--output-document=", path.string()), "--", address});
  return command;
}

std::string reason_of(bool curl, const Child& child) {
  const int code = child.exit_code();
  const std::string said = child.last_line();
  const std::string detail = said.empty() ? concat(curl ? "curl" : "wget", " ended with code ", code) : said;
  if (curl && code == 6) return concat("the server's name cannot be resolved; is this machine online? (", detail, ")");
  if (curl && (code == 5 || code == 7 || code == 28 || code == 35 || code == 56)) {
    return concat("the server cannot be reached; is this machine online? (", detail, ")");
  }
  if (!curl && code == 4) return concat("the server cannot be reached; is this machine online? (", detail, ")");
  if (code == (curl ? 23 : 3)) return concat("the file cannot be written; is the disk full? (", detail, ")");
  return detail;
}

// Runs one program to its end. *too_much: the server sent more than the limit.
Status run(bool curl, std::vector<std::string> command, const std::string& address, const fs::path& path, int64_t limit,
           const std::function<bool(int64_t)>& watch, int* exit_code) {
  Child child;
  if (!child.start(std::move(command))) return fail(Code::io, address, ": ", curl ? "curl" : "wget", " cannot be run");
  while (!child.ended_within(100)) {
    const int64_t bytes = size_of(path);
    if (limit > 0 && bytes > limit) return fail(Code::io, address, ": sends more than the ", limit, " bytes expected");
    if (watch && !watch(bytes)) return fail(Code::cancelled, address, ": cancelled");
  }
  *exit_code = child.exit_code();
  if (*exit_code != 0) return fail(Code::io, address, ": ", reason_of(curl, child));
  if (limit > 0 && size_of(path) > limit) {
    return fail(Code::io, address, ": sends more than the ", limit, " bytes expected");
  }
  if (watch) (void)watch(size_of(path));
  return {};
}

}  // namespace

bool is_allowed_address(const std::string& address) {
  if (address.rfind("https://", 0) == 0) return address.size() > 8;
  for (const std::string host : {"http://127.0.0.1", "http://localhost"}) {
    // The host must end there: "http://localhost.example.com" and "http://127.0.0.1@example.com" are elsewhere.
    const bool same = address.rfind(host, 0) == 0;
    const std::string rest = same ? address.substr(host.size()) : std::string();
    const size_t port = !rest.empty() && rest[0] == ':' ? rest.find_first_not_of("0123456789", 1) : 0;
    if (same && (port == std::string::npos || port == rest.size() || rest[port] == '/')) return true;
  }
  return false;
}

Status download(const std::string& address, const fs::path& path, int64_t limit,
                const std::function<bool(int64_t)>& watch) {
  if (!is_allowed_address(address)) return fail(Code::usage, address, ": only https addresses are used");
  const std::string curl = find_program("curl"), wget = curl.empty() ? find_program("wget") : "";
  if (curl.empty() && wget.empty()) {
    return fail(Code::io, address, ": cannot be downloaded: neither curl nor wget is installed");
  }
  const auto command = [&] {
    return curl.empty() ? wget_command(wget, address, path) : curl_command(curl, address, path);
  };
  const bool resuming = size_of(path) > 0;
  int exit_code = 0;
  Status status = run(!curl.empty(), command(), address, path, limit, watch, &exit_code);
  // curl 22, 33, 36: the server does not continue a file (or has nothing behind its end): once more from the start.
  if (resuming && !curl.empty() && (exit_code == 22 || exit_code == 33 || exit_code == 36)) {
    std::error_code ignored;
    fs::remove(path, ignored);
    status = run(true, command(), address, path, limit, watch, &exit_code);
  }
  return status;
}

}  // namespace gpen
