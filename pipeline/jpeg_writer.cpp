#include "pipeline/jpeg_writer.h"

#include <limits>

#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

#include "pipeline/jpeg_gray.h"
#include "pipeline/jpeg_metadata.h"
#include "pipeline/samples.h"
#include "pipeline/stb_limits.h"

namespace gpen {

Result<std::vector<uint8_t>> write_jpeg(const Image& image, bool gray, int quality, const Metadata& metadata) {
  if (image.width > 65535 || image.height > 65535)
    return fail(Code::io, "JPEG cannot hold ", image.width, "x", image.height, " pixels (65535 at most): use PNG");
  if (image.pixels() * 3 > std::numeric_limits<int>::max() / 2)  // stb counts in int
    return fail(Code::io, "a picture of ", image.width, "x", image.height, " pixels is too large to be written");
  if (gray) return with_metadata(write_gray_jpeg(luma_plane(image), image.width, image.height, quality), metadata, 1);
  std::vector<uint8_t> jpeg;
  const StbWriterGuard release;
  if (stbi_write_jpg_to_func(append_stb_bytes, &jpeg, image.width, image.height, 3, image.rgb.data(), quality) == 0)
    return fail(Code::memory, "out of memory while writing a jpg");
  return with_metadata(jpeg, metadata, 3);
}

}  // namespace gpen
