// Picture files in the minimal library: there are none, pixels come and go in the caller's memory.
#include "capi/entry.h"

using namespace gpen::capi;

namespace {

gpen_status left_out() {
  return remember(GPEN_ERROR_USAGE,
                  "this is the minimal library of gpen, which neither reads nor writes picture files");
}

}  // namespace

gpen_status gpen_picture_load(const char*, gpen_picture** picture) {
  if (picture != nullptr) *picture = nullptr;
  return left_out();
}

gpen_status gpen_picture_decode(const void*, size_t, const char*, gpen_picture** picture) {
  if (picture != nullptr) *picture = nullptr;
  return left_out();
}

gpen_status gpen_picture_image(const gpen_picture*, gpen_image*) { return left_out(); }
void gpen_picture_free(gpen_picture*) {}
gpen_status gpen_image_save(const gpen_image*, const char*, int32_t) { return left_out(); }

gpen_status gpen_image_encode(const gpen_image*, gpen_file_format, int32_t, uint8_t** file, size_t* bytes) {
  if (file != nullptr) *file = nullptr;
  (void)bytes;
  return left_out();
}
