// The bridge to the one file that compiles stb: how much memory one allocation of stb_image may take on this thread.
#pragma once
#include <cstddef>

namespace gpen {
extern thread_local size_t stb_allocation_limit;  // bytes; larger requests fail as if memory had run out
}
