// An output folder that lies inside of an input folder.
#pragma once
#include <string>

#include "app/inputs.h"

namespace gpen::app {

// Of a recursive run: what lies in the output folder is no input, else a second run would restore what the first one
// has written. A file that was named itself stays one. Says on stderr how many are left out; Code::usage when nothing
// else is there. output: of -o; nothing happens when it is empty or stdout.
Status leave_out_outputs(const std::string& output, InputSet* inputs);

}  // namespace gpen::app
