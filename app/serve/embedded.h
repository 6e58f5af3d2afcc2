// Files that are part of the program (cmake/embed.cmake).
#pragma once
#include <string_view>

namespace gpen::serve {
extern const std::string_view kPage;     // app/web, joined by app/web/join.cmake
extern const std::string_view kOpenApi;  // app/serve/openapi.json
}  // namespace gpen::serve
