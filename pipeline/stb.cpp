// The implementation of stb_image and stb_image_write, once, with only the formats that are used.
#include "pipeline/stb_limits.h"

#include <cstdlib>
#include <cstring>

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

namespace gpen {

// stb_image takes every CMYK picture for an inverted one, as Adobe writes them.
uint8_t* decode_jpeg_components(const uint8_t* file, int length, int* width, int* height) {
  stbi__context context{};
  stbi__start_mem(&context, file, length);
  auto* jpeg = static_cast<stbi__jpeg*>(stbi__malloc(sizeof(stbi__jpeg)));
  if (jpeg == nullptr) return nullptr;
  std::memset(jpeg, 0, sizeof(stbi__jpeg));
  jpeg->s = &context;
  stbi__setup_jpeg(jpeg);
  uint8_t* pixels = nullptr;
  if (stbi__decode_jpeg_image(jpeg) != 0 && context.img_n == 4)
    pixels = static_cast<uint8_t*>(stbi__malloc_mad3(4, int(context.img_x), int(context.img_y), 0));
  if (pixels != nullptr) {
    *width = int(context.img_x);
    *height = int(context.img_y);
    uint8_t* out = pixels;
    for (int y = 0; y < *height; ++y)
      for (int x = 0; x < *width; ++x)
        for (const auto& component : jpeg->img_comp) {  // a component of fewer samples repeats them
          const int64_t row = int64_t{y} * component.v / jpeg->img_v_max;
          *out++ = component.data[row * component.w2 + int64_t{x} * component.h / jpeg->img_h_max];
        }
  }
  stbi__cleanup_jpeg(jpeg);
  STBI_FREE(jpeg);
  return pixels;
}

}  // namespace gpen
