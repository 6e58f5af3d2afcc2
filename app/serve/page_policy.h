// What a browser may do with the page.
#pragma once
#include <string>

namespace gpen::serve {

// The Content-Security-Policy to send with it: its own style and script (by their SHA-256) and nothing else, pictures
// of its own making, and connections to the server that it came from.
const std::string& page_policy();

}  // namespace gpen::serve
