#include "app/output_folder.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

bool begins_with(const fs::path& path, const fs::path& start) {
  return std::mismatch(start.begin(), start.end(), path.begin(), path.end()).first == start.end();
}

// Where `folder` lies below `top`, links followed; empty: not below it, or `top` itself.
fs::path place_below(const fs::path& top, const fs::path& folder) {
  std::error_code error;
  const auto resolved = [&error](const fs::path& path) {
    const fs::path whole = error ? fs::path() : fs::weakly_canonical(fs::absolute(path), error);
    return whole.has_filename() ? whole : whole.parent_path();  // without a slash at its end
  };
  const fs::path whole_top = resolved(top), whole = resolved(folder);
  if (error || whole == whole_top || !begins_with(whole, whole_top)) return {};
  return whole.lexically_relative(whole_top);
}

}  // namespace

Status leave_out_outputs(const std::string& output, InputSet* inputs) {
  if (output.empty() || output == kStdout) return {};
  std::map<fs::path, fs::path> outputs;  // by the input folder: the output folder in it, or empty
  const auto is_output = [&](const Input& input) {
    if (input.top.empty()) return false;
    const auto [found, fresh] = outputs.try_emplace(input.top);
    if (fresh) {
      const fs::path below = place_below(input.top, output);
      if (!below.empty()) found->second = (input.top / below).lexically_normal();
    }
    return !found->second.empty() && begins_with(input.path.lexically_normal(), found->second);
  };
  const size_t left_out = std::erase_if(inputs->items, is_output);
  std::erase_if(inputs->videos_left_out, is_output);
  if (inputs->items.empty() && left_out > 0)
    return fail(Code::usage, "-o ", output, ": all ", left_out,
                " files of the input lie in this folder, which is left out of it; name another folder");
  if (left_out > 0)
    std::fprintf(stderr, "gpen: %zu files in %s, the output folder, are left out\n", left_out, output.c_str());
  return {};
}

}  // namespace gpen::app
