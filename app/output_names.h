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
// name all get their own ending ("_jpg"), and so does one that wants what another is called then. Names that two inputs
// want in any of these ways are given to none, since an earlier run with fewer inputs may have given them to either:
// what is left is numbered ("_jpg_2", in the order of the inputs).
std::vector<std::string> distinct_suffixes(const std::vector<Input>& inputs, const ResultNames& names);

}  // namespace gpen::app
