#include "support/shared_data.h"

#include <cstdlib>

namespace gpen::test {

namespace fs = std::filesystem;

fs::path shared_root() {
  const char* env = std::getenv("GPEN_SHARED");
  return env != nullptr && *env != '\0' ? fs::path(env) : fs::path(GPEN_SOURCE_DIR).parent_path() / "shared";
}

fs::path shared_file(const std::string& relative) { return shared_root() / relative; }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "gpen-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::permissions(path_, fs::perms::owner_all, fs::perm_options::add, ignored);
  fs::remove_all(path_, ignored);
}

}  // namespace gpen::test
