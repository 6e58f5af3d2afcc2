// --list: the names of the inputs, one to a line.
#pragma once
#include <string>
#include <vector>

#include "app/inputs.h"

namespace gpen::app {

// Adds the photos that `list` names: a file, or "-" for stdin; one path to a line (an empty line is nothing, a carriage
// return before its end is none of it), or each ended by a NUL byte with `null`. A path is taken as it is written: no
// pattern, no "-" for stdin. A folder is read like one given by -i. With `recursive` every photo keeps its path as
// listed below the output folder, without a leading / and without anything that leads out of it. A path that does not
// exist is an input all the same: it fails when its turn comes. Code::io when the list cannot be read or is empty.
Status add_list(const std::string& list, bool null, bool recursive, InputSet* set);

}  // namespace gpen::app
