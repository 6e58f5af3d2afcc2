// Names for the results of many inputs in one folder, of which no two are the same.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/inputs.h"

namespace gpen::app {

// What an input's results are called when `suffix` is added to its stem: everything that no other input may write to.
using ResultNames = std::function<std::vector<std::filesystem::path>(size_t input, const std::string& suffix)>;

// What is added to the stem of every input: nothing to a name that one input alone wants. Inputs that want the same
// name all get their own ending ("_jpg"), so that none of them has a name that was another's before it was there; those
// that have the ending in common too are numbered ("_jpg_2") in their order.
std::vector<std::string> distinct_suffixes(const std::vector<Input>& inputs, const ResultNames& names);

}  // namespace gpen::app
