// JSON as clients send it: read only when it is small in what costs memory and time, which is not its bytes.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "app/serve/answer.h"

namespace gpen::serve {

// Unlike Json, finds a key in logarithmic time: a client chooses how many there are.
using JsonInput = nlohmann::json;

// An object of at most `most` keys and values, a few levels deep. Usage error otherwise, found before any of it is
// kept.
ApiError parse_object(const std::string& text, size_t most, JsonInput* json);

}  // namespace gpen::serve
