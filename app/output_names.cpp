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

class Names {
 public:
  Names(const std::vector<Input>& inputs, const ResultNames& names) : inputs_(inputs), names_(names) {}

  std::vector<std::string> suffixes() {
    for (size_t i = 0; i < inputs_.size(); ++i)
      for (const fs::path& name : of(i, "")) plain_[name].push_back(i);
    for (const auto& [name, wanted_by] : plain_) {
      if (wanted_by.size() > 1)
        for (const size_t i : wanted_by) lengthen(i);
    }
    std::vector<std::string> suffixes(inputs_.size());
    for (const auto& [i, longer] : longer_) suffixes[i] = is_nobody_elses(longer) ? ending_of(inputs_[i]) : numbered(i);
    return suffixes;
  }

 private:
  std::vector<fs::path> of(size_t i, const std::string& suffix) const {
    std::vector<fs::path> all = names_(i, suffix);
    for (fs::path& name : all) name = name.lexically_normal();
    return all;
  }

  // Whoever wants what it would be called then, without an ending, has to give that up as well.
  void lengthen(size_t first) {
    std::vector<size_t> rest{first};
    while (!rest.empty()) {
      const size_t i = rest.back();
      rest.pop_back();
      const auto [place, fresh] = longer_.try_emplace(i);
      if (!fresh) continue;
      place->second = of(i, ending_of(inputs_[i]));
      for (const fs::path& name : place->second) {
        ++longer_wanted_[name];
        const auto owners = plain_.find(name);
        if (owners != plain_.end()) rest.insert(rest.end(), owners->second.begin(), owners->second.end());
      }
    }
  }

  bool is_nobody_elses(const std::vector<fs::path>& longer) const {
    return std::all_of(longer.begin(), longer.end(),
                       [&](const fs::path& name) { return plain_.count(name) == 0 && longer_wanted_.at(name) == 1; });
  }

  std::string numbered(size_t i) {
    const std::string ending = ending_of(inputs_[i]);
    int& number = numbers_.try_emplace(longer_.at(i).back(), 1).first->second;
    for (;;) {
      const std::string suffix = concat(ending, "_", ++number);
      const std::vector<fs::path> all = of(i, suffix);
      const bool free = std::none_of(all.begin(), all.end(), [&](const fs::path& name) {
        return plain_.count(name) + longer_wanted_.count(name) + taken_.count(name) > 0;
      });
      if (!free) continue;
      taken_.insert(all.begin(), all.end());
      return suffix;
    }
  }

  const std::vector<Input>& inputs_;
  const ResultNames& names_;
  std::map<fs::path, std::vector<size_t>> plain_;  // by whom it is wanted without a suffix
  std::map<size_t, std::vector<fs::path>> longer_;
  std::map<fs::path, size_t> longer_wanted_;
  std::map<fs::path, int> numbers_;  // the last one of those that want this name
  std::set<fs::path> taken_;
};

}  // namespace

std::vector<std::string> distinct_suffixes(const std::vector<Input>& inputs, const ResultNames& names) {
  return Names(inputs, names).suffixes();
}

}  // namespace gpen::app
