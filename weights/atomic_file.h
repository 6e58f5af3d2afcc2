// Writing a file so that it is there whole or not at all: a temporary file in the same folder, fsync, rename.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include "runtime/status.h"

namespace gpen {

class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~AtomicFile();  // removes the temporary file unless commit() succeeded
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Status open();  // creates the temporary file; Code::io on failure, with the target's name, as in all of these
  Status write(const void* data, size_t bytes);
  Status commit();  // sync, rename over the target, sync the folder

 private:
  Status error(const char* what) const;
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

// Removes from the folder the temporary files that a killed process has left, of the targets (names in this folder)
// that `ours` is true for. A file that a process still writes stays (it is locked); so does one that cannot be locked
// or removed.
void remove_unfinished(const std::filesystem::path& folder, const std::function<bool(const std::string& target)>& ours);

}  // namespace gpen
