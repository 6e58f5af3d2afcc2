// The web page of `gpen serve`: one HTML document with its style and script inside, joined by the build from app/web.
#pragma once
#include <string>
#include <string_view>

namespace gpen::app {

extern const char* const kPage;  // written by app/web/join.cmake

// UTF-8.
std::string_view page_html();

// The Content-Security-Policy to send with it: this document's own style and script (by their SHA-256) and nothing
// else, pictures of its own making, and connections to the server that it came from.
const std::string& page_policy();

}  // namespace gpen::app
