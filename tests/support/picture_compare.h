// How far two pictures are apart.
#pragma once
#include <cstdint>
#include <cstdlib>

#include "pipeline/image.h"

namespace gpen::test {

struct PictureDifference {
  double mean = 1e9;        // levels, over all samples
  int largest = 1 << 20;    // 1 << 20 when the sizes differ
  double share_over_8 = 1;  // of the pixels, one channel of which differs by more than 8 levels
};

inline PictureDifference compare(const Image& a, const Image& b) {
  PictureDifference d;
  if (a.width != b.width || a.height != b.height || a.empty()) return d;
  d.largest = 0;
  int64_t sum = 0, over = 0;
  for (size_t i = 0; i < a.rgb.size(); i += 3) {
    int worst = 0;
    for (size_t c = i; c < i + 3; ++c) {
      const int v = std::abs(a.rgb[c] - b.rgb[c]);
      worst = v > worst ? v : worst;
      sum += v;
    }
    d.largest = worst > d.largest ? worst : d.largest;
    over += worst > 8;
  }
  d.mean = static_cast<double>(sum) / static_cast<double>(a.rgb.size());
  d.share_over_8 = static_cast<double>(over) / static_cast<double>(a.pixels());
  return d;
}

}  // namespace gpen::test
