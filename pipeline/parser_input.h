// What a face parser is given.
#pragma once
#include <vector>

#include "pipeline/geometry.h"

namespace gpen {

// The three planes of an RGB picture of the parser's side, values 0 to 255 as -1 to 1.
template <class T>
std::vector<float> parser_planes(Pixels<const T> picture, ThreadPool& pool) {
  const int64_t plane = int64_t{picture.width} * picture.height;
  std::vector<float> planes(static_cast<size_t>(3 * plane));
  pool.parallel_for(3, [&](int64_t c, int) {
    for (int64_t i = 0; i < plane; ++i)
      planes[static_cast<size_t>(c * plane + i)] = (static_cast<float>(picture.data[3 * i + c]) / 255.0f - 0.5f) / 0.5f;
  });
  return planes;
}

}  // namespace gpen
