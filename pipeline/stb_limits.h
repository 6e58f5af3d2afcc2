// The bridge to the one file that compiles stb: what it does about memory.
#pragma once
#include <cstddef>

namespace gpen {
// How many bytes one allocation of stb_image may take on this thread. Larger requests fail as if memory had run out.
void set_stb_allocation_limit(size_t bytes);
// Whether stb_image was refused memory within that limit since it was set.
bool stb_lacked_memory();
// stb_image_write cannot do with less than it asks for: without memory it throws std::bad_alloc. Whoever catches that,
// or what a write callback throws, gives back here what the interrupted function of this thread holds.
void release_stb_writer();
}  // namespace gpen
