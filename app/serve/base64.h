// Base64 (RFC 4648, section 4).
#pragma once
#include <string>
#include <string_view>

namespace gpen::serve {

std::string to_base64(std::string_view bytes);
// White space is skipped, padding may be missing. False for any other character, or a length that cannot be.
bool from_base64(std::string_view text, std::string* bytes);

}  // namespace gpen::serve
