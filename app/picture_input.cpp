#include "app/picture_input.h"

#include <poll.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "app/interrupt.h"

namespace gpen::app {

namespace fs = std::filesystem;

Result<std::vector<uint8_t>> read_stdin(size_t max_bytes) {
  std::vector<uint8_t> bytes;
  uint8_t chunk[1 << 16];
  for (;;) {
    // A signal may come to any thread: this one looks for it by itself.
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    if (poll(&waiting, 1, 100) == 0 || interrupted()) {
      if (interrupted()) return fail(Code::cancelled, "<stdin>: interrupted");
      continue;
    }
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof(chunk));
    if (got == 0) return bytes;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Code::io, "<stdin>: ", std::strerror(errno));
    if (bytes.size() + static_cast<size_t>(got) > max_bytes)
      return fail(Code::io, "<stdin>: is larger than ", max_bytes, " bytes");
    bytes.insert(bytes.end(), chunk, chunk + got);
  }
}

Result<Image> read_picture(const Input& input) {
  if (!input.from_stdin()) return load_image(input.path);
  GPEN_ASSIGN(const std::vector<uint8_t> bytes, read_stdin(LoadOptions().max_file_bytes));
  return load_image(bytes, input.name);
}

int64_t picture_weight(const Input& input) {
  constexpr int64_t kAlone = std::numeric_limits<int64_t>::max() / 4;
  if (input.from_stdin()) return kAlone;
  std::error_code error;
  const bool regular = fs::is_regular_file(input.path, error);
  if (error) return 0;
  if (!regular) return kAlone;  // a pipe: looking at it would take away what it gives
  const uint64_t file_bytes = fs::file_size(input.path, error);
  if (error) return 0;
  const Result<ImageSize> size = image_size(input.path);
  const LoadOptions limits;
  if (!size.ok() || size->pixels() > limits.max_pixels)
    return static_cast<int64_t>(std::min<uint64_t>(file_bytes, limits.max_file_bytes));
  return decoding_bytes(*size, file_bytes);
}

Result<Example> bundled_example() {
  std::error_code ignored;
  fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (program.empty()) program = reinterpret_cast<const char*>(getauxval(AT_EXECFN));  // a bare chroot has no /proc
  program = program.parent_path();
  std::string looked;
  // Where it is installed (`gpen` lies in bin, `gpen-serve` in libexec/gpen); beside the program in its build folder.
  for (const fs::path& folder :
       {program / "../share/gpen/examples", program / "../../share/gpen/examples", program / "examples"}) {
    const Example example{(folder / "astronaut_enlarged.jpg").lexically_normal(),
                          (folder / "astronaut_enlarged.faces.json").lexically_normal()};
    if (fs::exists(example.picture, ignored) && fs::exists(example.faces, ignored)) return example;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  return fail(Code::io, "the bundled example is missing; looked in ", looked);
}

}  // namespace gpen::app
