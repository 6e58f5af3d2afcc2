// The bridge to the one file that compiles stb: how many bytes one allocation of stb_image may take on this thread, and
// what stb_image decodes but does not give out.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gpen {
// Larger requests fail as if memory had run out.
void set_stb_allocation_limit(size_t bytes);

// The four components of a JPEG as they are stored, interleaved, width * height * 4; to be freed with free(). Null when
// it is damaged (stbi_failure_reason()) or has not four.
uint8_t* decode_jpeg_components(const uint8_t* file, int length, int* width, int* height);
}  // namespace gpen
