// Files that are part of the program (cmake/embed.cmake).
#pragma once
#include <string_view>

namespace gpen::serve {
extern const std::string_view kPage;     // app/web/index.html
extern const std::string_view kOpenApi;  // app/serve/openapi.json
}  // namespace gpen::serve
