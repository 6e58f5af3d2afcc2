// Where the tests find what the project does not carry: $GPEN_SHARED, by default ../shared beside the sources.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace gpen::test {
std::filesystem::path shared_root();  // may not exist
std::filesystem::path shared_file(const std::string& relative);
// A fresh folder under the system's temporary folder, removed when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};
}  // namespace gpen::test

// First line of a test that needs a file of the shared data: skipped (and reported so) when it is absent.
#define GPEN_NEEDS_SHARED(relative)                                        \
  if (!std::filesystem::exists(::gpen::test::shared_file(relative)))       \
  GTEST_SKIP() << "needs " << ::gpen::test::shared_file(relative).string() \
               << " (set GPEN_SHARED to the folder that holds the shared data)"
