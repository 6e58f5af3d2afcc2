#include "pipeline/scene_cut.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace gpen {

bool CutDetector::add(const Image& frame) {
  constexpr int kColumns = 60, kRows = 34;
  // Parts of the points, and of the histogram's mass, above which a change is a cut.
  constexpr double kChangedPoints = 0.5, kMovedMass = 0.4;
  constexpr int kMuch = 24;  // levels, of the three channels' mean

  Look look;
  for (int j = 0; j < kRows; ++j) {
    const uint8_t* row = frame.row((2 * j + 1) * frame.height / (2 * kRows));
    for (int i = 0; i < kColumns; ++i) {
      const uint8_t* p = row + 3 * ((2 * i + 1) * frame.width / (2 * kColumns));
      look.points.push_back({p[0], p[1], p[2]});
      look.histogram[static_cast<size_t>(p[0] / 64 * 16 + p[1] / 64 * 4 + p[2] / 64)] += 1.0f / (kColumns * kRows);
    }
  }
  bool cut = last_.points.empty();
  if (!cut) {
    int changed = 0;
    for (size_t i = 0; i < look.points.size(); ++i) {
      int sum = 0;
      for (size_t c = 0; c < 3; ++c) sum += std::abs(look.points[i][c] - last_.points[i][c]);
      changed += sum > 3 * kMuch;
    }
    double moved = 0;
    for (size_t i = 0; i < look.histogram.size(); ++i) moved += 0.5 * std::abs(look.histogram[i] - last_.histogram[i]);
    cut = changed > kChangedPoints * static_cast<double>(look.points.size()) && moved > kMovedMass;
  }
  last_ = std::move(look);
  return cut;
}

}  // namespace gpen
