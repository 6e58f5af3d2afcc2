// Pictures of the C API (gpen_image: any format, any stride) to and from the pipeline's Image.
#pragma once
#include "gpen/gpen.h"
#include "pipeline/image.h"
#include "runtime/status.h"

namespace gpen::capi {

// Code::usage unless it has pixels, a known format, and rows that do not overlap; `name` is for the message.
Status check_image(const gpen_image* image, const char* name);

// Code::usage as above.
Result<Image> to_image(const gpen_image* image, const char* name);

// Pixels of an Image (alpha: null is opaque) into the caller's memory. Code::usage unless `to` has this size.
Status copy_out(const Image& from, const gpen_image_buffer* to, const char* name);

}  // namespace gpen::capi
