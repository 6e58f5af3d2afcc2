#include "app/picture_input.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/interrupt.h"

#ifndef GPEN_EXAMPLES
#error "the build defines GPEN_EXAMPLES, the examples of the source tree"
#endif

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

Result<std::vector<uint8_t>> read_stdin(size_t max_bytes) {
  std::vector<uint8_t> bytes;
  uint8_t chunk[1 << 16];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof(chunk));
    if (got == 0) return bytes;
    if (got < 0 && errno == EINTR && !interrupted()) continue;
    if (got < 0) return fail(Code::io, "<stdin>: ", std::strerror(errno));
    if (bytes.size() + static_cast<size_t>(got) > max_bytes)
      return fail(Code::io, "<stdin>: is larger than ", max_bytes, " bytes");
    bytes.insert(bytes.end(), chunk, chunk + got);
  }
}

}  // namespace

Result<Image> read_picture(const Input& input) {
  if (!input.from_stdin()) return load_image(input.path);
  GPEN_ASSIGN(const std::vector<uint8_t> bytes, read_stdin(LoadOptions().max_file_bytes));
  return load_image(bytes, input.name);
}

Result<Example> bundled_example() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string looked;
  // Installed, `gpen` lies in bin and `gpen-serve` in libexec/gpen.
  for (const fs::path& folder :
       {program / "../share/gpen/examples", program / "../../share/gpen/examples", fs::path(GPEN_EXAMPLES)}) {
    const Example example{(folder / "astronaut_enlarged.jpg").lexically_normal(),
                          (folder / "astronaut_enlarged.faces.json").lexically_normal()};
    if (fs::exists(example.picture, ignored) && fs::exists(example.faces, ignored)) return example;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  return fail(Code::io, "the bundled example is missing; looked in ", looked);
}

}  // namespace gpen::app
