// The implementation of stb_image and stb_image_write, once, with only the formats that are used.
#include "pipeline/stb_limits.h"

#include <cstdlib>

namespace gpen {
namespace {
thread_local size_t allocation_limit = 0;

// stb_image grows its inflate buffer as long as the file has something to say: a small PNG could ask for gigabytes.
void* limited_malloc(size_t bytes) { return bytes > allocation_limit ? nullptr : std::malloc(bytes); }
void* limited_realloc(void* p, size_t bytes) { return bytes > allocation_limit ? nullptr : std::realloc(p, bytes); }
}  // namespace

void set_stb_allocation_limit(size_t bytes) { allocation_limit = bytes; }
}  // namespace gpen

#define STBI_MALLOC(bytes) gpen::limited_malloc(bytes)
#define STBI_REALLOC(p, bytes) gpen::limited_realloc(p, bytes)
#define STBI_FREE(p) std::free(p)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <stb_image.h>
#include <stb_image_write.h>
#pragma GCC diagnostic pop
