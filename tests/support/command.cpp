#include "support/command.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace gpen::test {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_text(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

namespace {

void redirect(int stream, const fs::path& path, int flags) {
  const int file = open(path.c_str(), flags, 0600);
  if (file < 0 || dup2(file, stream) < 0) _exit(126);
}

}  // namespace

CommandResult CommandLine::operator()(const std::vector<std::string>& arguments, const std::string& input) const {
  const fs::path in = streams_ / "in", out = streams_ / "out", err = streams_ / "err", none = streams_ / "none";
  write_text(in, input);
  std::vector<std::string> words = {program_};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    redirect(STDIN_FILENO, in, O_RDONLY);
    redirect(STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, err, O_WRONLY | O_CREAT | O_TRUNC);
    setenv("GPEN_MODELS", none.c_str(), 1);
    setenv("XDG_DATA_HOME", none.c_str(), 1);
    setenv("XDG_CACHE_HOME", none.c_str(), 1);
    for (const auto& [name, value] : environment_) setenv(name.c_str(), value.c_str(), 1);
    if (memory_limit_ > 0) {
      const rlimit limit{memory_limit_, memory_limit_};
      setrlimit(RLIMIT_AS, &limit);
    }
    if (chdir(folder().c_str()) != 0) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  CommandResult result;
  int state = 0;
  while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  result.code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  result.out = read_text(out);
  result.err = read_text(err);
  return result;
}

std::vector<std::string> CommandLine::listing(const std::string& sub) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder() / sub)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace gpen::test
