// JSON results: to stdout, or whole to a file.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/status.h"

namespace gpen::app {

using Json = nlohmann::ordered_json;

// target: a file, or "-" for stdout. Bytes of names that are not UTF-8 are replaced, so that the JSON is always sound.
Status write_json(const Json& json, const std::string& target);

}  // namespace gpen::app
