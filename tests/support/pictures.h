// Small pictures for tests, made by arithmetic.
#pragma once
#include <cmath>
#include <cstdlib>

#include "pipeline/image.h"

namespace gpen::test {

// Waves and a few edges: every level occurs, and rows, columns and channels differ.
inline Image test_picture(int width, int height, int variant = 0) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double wave = std::sin(0.05 * (x + 3 * c + variant)) + std::cos(0.07 * (y + 5 * c));
        const int edge = (x / 37 + y / 29 + c) % 2 * 40;
        image.row(y)[3 * x + c] = static_cast<uint8_t>(107 + 53 * wave + edge - 20);
      }
    }
  }
  return image;
}

// The largest difference of any channel, or -1 when the sizes differ.
inline int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return -1;
  int largest = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

}  // namespace gpen::test
