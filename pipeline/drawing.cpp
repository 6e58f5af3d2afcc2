#include "pipeline/drawing.h"

#include <algorithm>
#include <cmath>

namespace gpen {

Image side_by_side(const Image& before, const Image& after, ThreadPool& pool) {
  const bool same = before.width == after.width && before.height == after.height;
  const Image left = same ? before : resize_bilinear(before, after.width, after.height, pool);
  Image both(2 * after.width, after.height);
  const auto join = [&](const Image* half, int offset) {
    for (int y = 0; y < after.height; ++y) std::copy_n(half->row(y), 3 * after.width, both.row(y) + 3 * offset);
    if (half->alpha.empty()) return;
    for (int64_t y = 0; y < after.height; ++y)
      std::copy_n(half->alpha.data() + y * after.width, after.width, both.alpha.data() + y * both.width + offset);
  };
  if (!left.alpha.empty() || !after.alpha.empty()) both.alpha.assign(static_cast<size_t>(both.pixels()), 255);
  join(&left, 0);
  join(&after, after.width);
  return both;
}

namespace {

struct Colour {
  uint8_t rgb[3];
};

void fill_rectangle(Image* image, double x0, double y0, double x1, double y1, Colour colour) {
  const auto edge = [](double v, int limit) { return static_cast<int>(std::clamp(std::round(v), 0.0, double(limit))); };
  for (int y = edge(y0, image->height); y < edge(y1, image->height); ++y)
    for (int x = edge(x0, image->width); x < edge(x1, image->width); ++x)
      std::copy_n(colour.rgb, 3, image->row(y) + 3 * x);
}

}  // namespace

void draw_faces(Image* image, const std::vector<Face>& faces, double scale) {
  constexpr Colour kBox{{0, 220, 60}};
  constexpr Colour kLandmarks[5] = {
      {{255, 60, 60}}, {{60, 120, 255}}, {{255, 220, 0}}, {{255, 0, 220}}, {{0, 230, 230}}};
  const double line = std::max(1.0, std::round(std::max(image->width, image->height) / 700.0));
  for (const Face& f : faces) {
    const double x0 = f.box.x0 * scale, y0 = f.box.y0 * scale, x1 = f.box.x1 * scale, y1 = f.box.y1 * scale;
    fill_rectangle(image, x0, y0, x1 + line, y0 + line, kBox);
    fill_rectangle(image, x0, y1, x1 + line, y1 + line, kBox);
    fill_rectangle(image, x0, y0, x0 + line, y1 + line, kBox);
    fill_rectangle(image, x1, y0, x1 + line, y1 + line, kBox);
    for (size_t k = 0; k < f.landmarks.size(); ++k) {
      const double x = f.landmarks[k].x * scale, y = f.landmarks[k].y * scale;
      fill_rectangle(image, x - line, y - line, x + line + 1, y + line + 1, kLandmarks[k]);
    }
  }
}

}  // namespace gpen
