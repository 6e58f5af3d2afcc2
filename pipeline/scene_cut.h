// Where a new shot begins: a cheap comparison of every frame with the one before it.
#pragma once
#include <array>
#include <vector>

#include "pipeline/image.h"

namespace gpen {

// Tells cuts from motion by two measures on about 2000 points of a grid, both of which a cut makes large at once: how
// many of the points have changed by much, and how much the histogram of colours (4 x 4 x 4 bins) has changed. Motion
// moves points but keeps the histogram; a flash or a fade changes the histogram over several frames.
class CutDetector {
 public:
  // Whether this frame begins a new shot. The first one does.
  bool add(const Image& frame);

 private:
  struct Look {
    std::vector<std::array<uint8_t, 3>> points;
    std::array<float, 64> histogram{};
  };
  Look last_;
};

}  // namespace gpen
