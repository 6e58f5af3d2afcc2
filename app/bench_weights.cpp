#include "app/bench_weights.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "app/command.h"
#include "weights/catalogue.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

// Made in a child process: the memory that making them takes is no part of the network's figure.
Status write_formula_weights(const Architecture& arch, const fs::path& path) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return fail(Code::memory, "cannot start a process to make the formula weights");
  if (child == 0) {
    try {
      const Result<WeightStore> store = synthesize(arch, SynthKind::formula);
      _exit(report(store.ok() ? save_safetensors(path, *store) : store.status()));
    } catch (const std::bad_alloc&) {
      _exit(kMemory);
    }
  }
  int state = 0;
  while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  const bool memory = !WIFEXITED(state) || WEXITSTATUS(state) == kMemory;
  return fail(memory ? Code::memory : Code::io, path.string(), ": the formula weights could not be made");
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "gpen-bench-XXXXXX").string();
  if (!error && mkdtemp(pattern.data()) != nullptr) path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<fs::path> weights_file(const std::string& model, const ScratchFolder& scratch) {
  const Result<fs::path> file = resolve_model(model);
  if (file.ok()) return *file;
  const Result<Architecture> arch = parse_architecture(model);
  if (!arch.ok())
    return find_released(model) != nullptr || fs::path(model).has_extension() ? file.status() : arch.status();
  if (scratch.path().empty()) return fail(Code::io, "cannot make a temporary folder for the formula weights");
  const fs::path path = scratch.path() / "weights.safetensors";
  GPEN_RETURN_IF_ERROR(write_formula_weights(*arch, path));
  return path;
}

}  // namespace gpen::app
