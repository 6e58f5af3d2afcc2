// The bridge to the one file that compiles stb: what it does about memory, and what stb_image decodes but does not give
// out.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gpen {
// How many bytes one allocation of stb_image may take on this thread. Larger requests fail as if memory had run out.
void set_stb_allocation_limit(size_t bytes);
// The four components of a JPEG as they are stored, interleaved, width * height * 4; to be freed with free(). Null when
// it is damaged (stbi_failure_reason()) or has not four.
uint8_t* decode_jpeg_components(const uint8_t* file, int length, int* width, int* height);
// Whether stb_image was refused memory within that limit since it was set.
bool stb_lacked_memory();
// For stb_image_write: context is the std::vector<uint8_t> that what it writes is appended to.
void append_stb_bytes(void* context, void* data, int size);
// stb_image_write cannot do with less than it asks for: without memory it throws std::bad_alloc. Whoever catches that,
// or what a write callback throws, gives back here what the interrupted function of this thread holds.
void release_stb_writer();
struct StbWriterGuard {
  ~StbWriterGuard() { release_stb_writer(); }
};
}  // namespace gpen
