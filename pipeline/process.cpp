#include "pipeline/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <system_error>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

extern char** environ;

namespace gpen {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeptLines = 6;
constexpr size_t kKeptLine = 400;  // bytes of a line

void close_descriptor(int* fd) {
  if (*fd >= 0) ::close(std::exchange(*fd, -1));
}

// Both ends close themselves in programs that are started: dup2() in the child opens what it is meant to have.
Status make_pipe(int* read_end, int* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Code::io, "cannot make a pipe: ", std::strerror(errno));
  *read_end = ends[0];
  *write_end = ends[1];
  return {};
}

// The last lines of a program's stderr.
class Tail {
 public:
  void add(const char* text, size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < bytes; ++i) {
      const char c = text[i];
      if (c == '\n' || c == '\r') {
        end_line();
      } else if (line_.size() < kKeptLine) {
        line_ += c >= ' ' || c == '\t' ? c : '?';  // no control characters of others on our terminal
      }
    }
  }
  std::string lines() {
    const std::lock_guard lock(mutex_);
    end_line();
    std::string all;
    for (const std::string& line : lines_) all.append(all.empty() ? "" : "\n    ").append(line);
    return all;
  }

 private:
  void end_line() {
    if (!line_.empty()) lines_.push_back(std::exchange(line_, {}));
    if (lines_.size() > kKeptLines) lines_.pop_front();
  }
  std::mutex mutex_;
  std::deque<std::string> lines_;
  std::string line_;
};

// The spawn attributes and file actions of one start, freed whatever happens.
struct SpawnPlan {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    // What this program ignores or holds back (SIGPIPE) must not be so in the other one.
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) sigaddset(&usual, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  // fd < 0: /dev/null.
  void connect(int fd, int stream) {
    if (fd >= 0)
      posix_spawn_file_actions_adddup2(&files, fd, stream);
    else
      posix_spawn_file_actions_addopen(&files, stream, "/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
  }
};

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

struct Process::Impl {
  std::string name;
  pid_t pid = -1;  // -1: waited for
  int input = -1, output = -1, errors = -1;
  Tail tail;
  std::thread listener;  // reads stderr, so that the program never waits for us to
  std::mutex ending;     // pid must not be waited for while it is being killed
};

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Process>> Process::start(const std::vector<std::string>& words, Pipes pipes) {
  auto impl = std::make_unique<Impl>();
  impl->name = fs::path(words.front()).filename().string();
  int child_in = -1, child_out = -1, child_err = -1;
  Status status = make_pipe(&impl->errors, &child_err);
  if (status.ok() && pipes.input) status = make_pipe(&child_in, &impl->input);
  if (status.ok() && pipes.output) status = make_pipe(&impl->output, &child_out);
  if (status.ok()) {
    SpawnPlan plan;
    plan.connect(child_in, STDIN_FILENO);
    plan.connect(child_out, STDOUT_FILENO);
    plan.connect(child_err, STDERR_FILENO);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const int error = posix_spawn(&impl->pid, argv[0], &plan.files, &plan.attributes, argv.data(), environ);
    if (error != 0) {
      impl->pid = -1;
      status = fail(Code::io, words.front(), ": cannot be started: ", std::strerror(error));
    }
  }
  for (int* fd : {&child_in, &child_out, &child_err}) close_descriptor(fd);
  std::unique_ptr<Process> process(new Process(std::move(impl)));  // closes the rest when something has failed
  if (!status.ok()) return status;
  Impl* self = process->impl_.get();
  // A large pipe lets a whole frame lie between the programs. Refused (a limit of the system): the usual size.
  for (const int fd : {self->input, self->output})
    if (fd >= 0) (void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
  self->listener = std::thread([self] {
    char text[4096];
    for (;;) {
      const ssize_t got = ::read(self->errors, text, sizeof(text));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      self->tail.add(text, static_cast<size_t>(got));
    }
  });
  return process;
}

Process::~Process() {
  kill();
  (void)finish();
}

void Process::kill() {
  const std::lock_guard lock(impl_->ending);
  if (impl_->pid > 0) ::kill(impl_->pid, SIGKILL);
}

Status Process::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(impl_->input, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Code::io, impl_->name, ": takes no more input: ", std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<size_t> Process::read(std::span<uint8_t> bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t n = ::read(impl_->output, bytes.data() + used, bytes.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Code::io, impl_->name, ": cannot read what it writes: ", std::strerror(errno));
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  return used;
}

Result<std::string> Process::read_all(size_t max_bytes) {
  std::string all;
  std::vector<uint8_t> chunk(size_t{1} << 16);
  for (;;) {
    GPEN_ASSIGN(const size_t got, read(chunk));
    all.append(reinterpret_cast<const char*>(chunk.data()), got);
    if (all.size() > max_bytes) return fail(Code::io, impl_->name, ": its answer is longer than ", max_bytes, " bytes");
    if (got < chunk.size()) return all;
  }
}

Status Process::finish() {
  close_descriptor(&impl_->input);
  close_descriptor(&impl_->output);
  int state = 0;
  bool waited = false;
  if (impl_->pid > 0) {
    // Not reaped here: kill() may still be called meanwhile, and must not meet another process of that number.
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(impl_->pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    const std::lock_guard lock(impl_->ending);
    while (waitpid(impl_->pid, &state, 0) < 0 && errno == EINTR) {
    }
    impl_->pid = -1;
    waited = true;
  }
  if (impl_->listener.joinable()) impl_->listener.join();
  close_descriptor(&impl_->errors);
  if (!waited || state == 0) return {};
  const std::string said = impl_->tail.lines();
  const std::string end = WIFSIGNALED(state) ? concat("was ended by signal ", WTERMSIG(state))
                                             : concat("failed with code ", WEXITSTATUS(state));
  return fail(Code::io, impl_->name, " ", end, said.empty() ? "" : ":\n    ", said);
}

Result<std::string> run_program(const std::vector<std::string>& words, size_t max_bytes,
                                const std::function<bool()>& stop) {
  GPEN_ASSIGN(const std::unique_ptr<Process> process, Process::start(words, {false, true}));
  std::atomic<bool> ended{false}, stopped{false};
  std::thread watch;
  if (stop != nullptr) {
    try {
      watch = std::thread([&] {
        for (; !ended; std::this_thread::sleep_for(std::chrono::milliseconds(100))) {
          if (!stop()) continue;
          stopped = true;
          return process->kill();
        }
      });
    } catch (const std::system_error&) {
      // It only runs to its end then.
    }
  }
  Result<std::string> answer = process->read_all(max_bytes);
  const Status status = process->finish();
  ended = true;
  if (watch.joinable()) watch.join();
  if (stopped) return fail(Code::cancelled, "cancelled");
  if (answer.ok() && !status.ok()) return status;
  return answer;
}

Result<std::string> find_program(const std::string& name, const char* variable) {
  if (const char* given = std::getenv(variable); given != nullptr && *given != '\0') {
    if (is_program(given)) return std::string(given);
    return fail(Code::io, "$", variable, " is ", given, ", which is no program");
  }
  const char* places = std::getenv("PATH");
  const std::string path = places != nullptr ? places : "/usr/local/bin:/usr/bin:/bin";
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    // An empty entry would be the current folder: no program is taken from there unasked.
    if (end > begin) {
      const fs::path file = fs::path(path.substr(begin, end - begin)) / name;
      if (is_program(file)) return file.string();
    }
    begin = end + 1;
  }
  return fail(Code::io, name, " is not on the PATH");
}

}  // namespace gpen
