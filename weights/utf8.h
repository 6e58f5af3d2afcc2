// Whether bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
#pragma once
#include <string>
#include <string_view>

namespace gpen {

bool is_utf8(std::string_view text);
// The text with everything that would disturb a terminal or a JSON file replaced by '?', cut after 200 bytes: names
// from hostile files end up in messages.
std::string printable(std::string_view text);

}  // namespace gpen
