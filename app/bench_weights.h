// The weights of `gpen bench` and `gpen tune`: a file, an installed model, or made up.
#pragma once
#include <filesystem>
#include <string>

#include "runtime/status.h"

namespace gpen::app {

// A folder for the formula weights of an ARCH, gone with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The file to load: an installed model or a file as it is, else the formula weights of an architecture, made in the
// scratch folder.
Result<std::filesystem::path> weights_file(const std::string& model, const ScratchFolder& scratch);

}  // namespace gpen::app
