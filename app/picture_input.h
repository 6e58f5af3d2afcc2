// Reading a picture from where an input says it is.
#pragma once
#include "app/inputs.h"

namespace gpen::app {

// All of stdin; Code::io when it has more than max_bytes, Code::cancelled when an interrupt comes while it waits.
Result<std::vector<uint8_t>> read_stdin(size_t max_bytes);

// From the file, or all of stdin (once). Code::io with the input's name.
Result<Image> read_picture(const Input& input);

// The bytes that reading it takes at most, by the header of its file. Too many for anything beside it when that cannot
// be told (stdin); those of the file when it is no picture, or 0 when there is none: reading fails soon then.
int64_t picture_weight(const Input& input);

// The bundled example and its landmarks, beside the program (installed) or in the source tree. Code::io when they are
// not where they should be.
struct Example {
  std::filesystem::path picture, faces;
};
Result<Example> bundled_example();

}  // namespace gpen::app
