// What happens to the finished picture of the de-facto client format (sdapi.cpp): resized to a size, perhaps cut.
#pragma once
#include "pipeline/image.h"
#include "runtime/thread_pool.h"

namespace gpen::serve {

struct FinalSize {
  double factor = 0;          // of the photo; 0: not
  int width = 0, height = 0;  // instead of a factor: the picture keeps its shape and fills them
  bool crop = false;     // what is over is cut off; else the picture is larger than width x height in one direction
  bool nearest = false;  // pixels are repeated or left out, not mixed

  bool wanted() const { return factor > 0 || width > 0; }
  // Of the result for a photo of this size.
  ImageSize of(int photo_width, int photo_height) const;
  // Code::usage when that has more pixels, or more on a side than a picture can have.
  Status check(int photo_width, int photo_height, int64_t max_pixels) const;
  // image: of the photo's shape.
  Image apply(const Image& image, int photo_width, int photo_height, ThreadPool& pool) const;
};

}  // namespace gpen::serve
