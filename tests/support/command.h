// Runs the built `gpen` command as a user would: in a folder of its own, with no installed models in sight.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/sanitized.h"
#include "support/shared_data.h"

namespace gpen::test {

struct CommandResult {
  int code = -1;    // exit code, or 128 + signal
  std::string out;  // stdout
  std::string err;  // stderr
};

class CommandLine {
 public:
  // program: usually GPEN_BINARY.
  explicit CommandLine(std::string program) : program_(std::move(program)) {}
  // Runs in folder(); stdin is `input`. GPEN_MODELS and XDG_DATA_HOME point to empty places below the folder.
  CommandResult operator()(const std::vector<std::string>& arguments, const std::string& input = "") const;
  void set_environment(const std::string& name, const std::string& value) { environment_.emplace_back(name, value); }
  // Most memory (address space) the command may use; 0: no limit.
  void limit_memory(size_t bytes) { memory_limit_ = bytes; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // Names of the files and folders in folder(), hidden ones included, below `sub`.
  std::vector<std::string> listing(const std::string& sub = "") const;

 private:
  std::string program_;
  TemporaryFolder folder_, streams_;
  std::vector<std::pair<std::string, std::string>> environment_;
  size_t memory_limit_ = 0;
};

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& bytes);

}  // namespace gpen::test
