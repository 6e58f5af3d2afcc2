#include "app/json_output.h"

#include <cstdio>

#include "pipeline/file_io.h"

namespace gpen::app {

Status write_json(const Json& json, const std::string& target) {
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (target == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      return fail(Code::io, "standard output: cannot write");
    return {};
  }
  return write_file(target, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace gpen::app
