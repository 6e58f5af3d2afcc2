#include "app/output_names.h"

#include <algorithm>
#include <map>
#include <set>

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

std::string ending_of(const Input& input) {
  std::string ending = input.path.extension().string();
  if (!ending.empty()) ending.front() = '_';
  return ending;
}

}  // namespace

std::vector<std::string> distinct_suffixes(const std::vector<Input>& inputs, const ResultNames& names) {
  std::map<fs::path, size_t> wanted;
  for (size_t i = 0; i < inputs.size(); ++i)
    for (const fs::path& name : names(i, "")) ++wanted[name.lexically_normal()];
  std::vector<std::string> suffixes(inputs.size());
  std::vector<size_t> shared;
  std::set<fs::path> taken;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<fs::path> own = names(i, "");
    const bool alone =
        std::all_of(own.begin(), own.end(), [&](const fs::path& name) { return wanted[name.lexically_normal()] == 1; });
    if (!alone) {
      shared.push_back(i);
      continue;
    }
    for (const fs::path& name : own) taken.insert(name.lexically_normal());
  }
  for (const size_t i : shared) {
    const std::string ending = ending_of(inputs[i]);
    std::string& suffix = suffixes[i] = ending;
    const auto is_free = [&] {
      const std::vector<fs::path> own = names(i, suffix);
      return std::none_of(own.begin(), own.end(),
                          [&](const fs::path& name) { return taken.count(name.lexically_normal()) > 0; });
    };
    for (int number = 2; !is_free(); ++number) suffix = concat(ending, "_", number);
    for (const fs::path& name : names(i, suffix)) taken.insert(name.lexically_normal());
  }
  return suffixes;
}

}  // namespace gpen::app
