// The implementation of stb_image and stb_image_write, once, with only the formats that are used.
#include "pipeline/stb_limits.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace gpen {
namespace {
thread_local size_t allocation_limit = 0;
thread_local bool lacked_memory = false;

// stb_image grows its inflate buffer as long as the file has something to say: a small PNG could ask for gigabytes.
void* limited_realloc(void* p, size_t bytes) {
  if (bytes > allocation_limit) return nullptr;
  void* larger = std::realloc(p, bytes);
  lacked_memory = lacked_memory || larger == nullptr;
  return larger;
}
void* limited_malloc(size_t bytes) { return limited_realloc(nullptr, bytes); }

// The writer's memory: every piece has a link in front, so that those of a function that did not come to its end are
// known.
struct alignas(std::max_align_t) Link {
  Link *before, *after;
};
thread_local Link* writer_memory = nullptr;

void* chained(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  auto* link = new (memory) Link{nullptr, writer_memory};
  if (link->after != nullptr) link->after->before = link;
  writer_memory = link;
  return link + 1;
}
Link* unchained(void* p) {
  Link* link = static_cast<Link*>(p) - 1;
  (link->before != nullptr ? link->before->after : writer_memory) = link->after;
  if (link->after != nullptr) link->after->before = link->before;
  return link;
}
void* writer_malloc(size_t bytes) { return chained(std::malloc(sizeof(Link) + bytes)); }
void writer_free(void* p) {
  if (p != nullptr) std::free(unchained(p));
}
void* writer_realloc(void* p, size_t old_bytes, size_t bytes) {
  void* larger = writer_malloc(bytes);
  if (p != nullptr) std::memcpy(larger, p, old_bytes);
  writer_free(p);
  return larger;
}
}  // namespace

void set_stb_allocation_limit(size_t bytes) {
  allocation_limit = bytes;
  lacked_memory = false;
}
bool stb_lacked_memory() { return lacked_memory; }
void release_stb_writer() {
  while (writer_memory != nullptr) writer_free(writer_memory + 1);
}
}  // namespace gpen

#define STBI_MALLOC(bytes) gpen::limited_malloc(bytes)
#define STBI_REALLOC(p, bytes) gpen::limited_realloc(p, bytes)
#define STBI_FREE(p) std::free(p)
#define STBIW_MALLOC(bytes) gpen::writer_malloc(bytes)
#define STBIW_REALLOC_SIZED(p, old_bytes, bytes) gpen::writer_realloc(p, static_cast<size_t>(old_bytes), bytes)
#define STBIW_FREE(p) gpen::writer_free(p)
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

void append_stb_bytes(void* context, void* data, int size) {
  auto* out = static_cast<std::vector<uint8_t>*>(context);
  const auto* bytes = static_cast<const uint8_t*>(data);
  out->insert(out->end(), bytes, bytes + size);
}

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
