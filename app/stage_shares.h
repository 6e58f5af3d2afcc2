// How far a photo has come, by the stages that report progress.
#pragma once
#include <string_view>

namespace gpen::app {

// 0 to 1: `fraction` of a stage is done. The shares are rough; what comes before the first stage counts nothing.
inline double photo_progress(std::string_view stage, double fraction, bool upscales) {
  struct Share {
    std::string_view stage;
    double begin, length;
  };
  constexpr Share kShares[] = {
      {"detect", 0, 0.2}, {"restore", 0.2, 0.65}, {"paste", 0.85, 0.1}, {"encode", 0.95, 0.05}};
  const double background = upscales ? 0.8 : 0;  // comes first
  if (stage == "upscale") return fraction * background;
  for (const Share& share : kShares) {
    if (stage == share.stage) return background + (1 - background) * (share.begin + share.length * fraction);
  }
  return 0;
}

}  // namespace gpen::app
