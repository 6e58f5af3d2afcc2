// The bridge to the one file that compiles stb: how many bytes one allocation of stb_image may take on this thread.
#pragma once
#include <cstddef>

namespace gpen {
// Larger requests fail as if memory had run out.
void set_stb_allocation_limit(size_t bytes);
}  // namespace gpen
