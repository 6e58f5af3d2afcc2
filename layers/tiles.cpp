#include "layers/tiles.h"

#include <algorithm>
#include <utility>

namespace gpen {

namespace {

int64_t round_up(int64_t v, int64_t multiple) { return ceil_div(v, multiple) * multiple; }

// Mirrors without repeating the edge, as often as needed: 0 1 2 | 1 0 1 2 ...
int64_t mirrored(int64_t i, int64_t size) {
  if (size == 1) return 0;
  i %= 2 * (size - 1);
  return i < size ? i : 2 * (size - 1) - i;
}

}  // namespace

std::vector<Tile> plan_tiles(int64_t h, int64_t w, int64_t tile, int64_t margin, int64_t multiple) {
  const int64_t whole_h = round_up(h, multiple), whole_w = round_up(w, multiple);
  const int64_t side = tile > 0 ? round_up(tile, multiple) : std::max(whole_h, whole_w);
  margin = round_up(margin, multiple);
  std::vector<Tile> tiles;
  for (int64_t y = 0; y < h; y += side)
    for (int64_t x = 0; x < w; x += side)
      tiles.push_back({y, x, std::min(h, y + side), std::min(w, x + side), std::max<int64_t>(0, y - margin),
                       std::max<int64_t>(0, x - margin), std::min(whole_h, y + side + margin),
                       std::min(whole_w, x + side + margin)});
  const auto shape = [](const Tile& t) { return std::pair(t.read_y1 - t.read_y0, t.read_x1 - t.read_x0); };
  std::stable_sort(tiles.begin(), tiles.end(), [&](const Tile& a, const Tile& b) { return shape(a) > shape(b); });
  return tiles;
}

TensorView cut_reflected(const TensorView& picture, const Tile& t, std::vector<float>* memory) {
  const int64_t h = t.read_y1 - t.read_y0, w = t.read_x1 - t.read_x0;
  memory->resize(static_cast<size_t>(picture.c * h * w));
  float* out = memory->data();
  for (int64_t c = 0; c < picture.c; ++c)
    for (int64_t y = t.read_y0; y < t.read_y1; ++y) {
      const float* row = picture.data + c * picture.plane() + mirrored(y, picture.h) * picture.w;
      for (int64_t x = t.read_x0; x < t.read_x1; ++x) *out++ = row[mirrored(x, picture.w)];
    }
  return make_view(memory->data(), 1, picture.c, h, w);
}

void paste_centre(const TensorView& enlarged, const Tile& t, int64_t scale, const TensorView& picture) {
  const int64_t width = (t.x1 - t.x0) * scale;
  for (int64_t c = 0; c < picture.c; ++c)
    for (int64_t y = t.y0 * scale; y < t.y1 * scale; ++y) {
      const float* from =
          enlarged.data + c * enlarged.plane() + (y - t.read_y0 * scale) * enlarged.w + (t.x0 - t.read_x0) * scale;
      std::copy_n(from, width, picture.data + c * picture.plane() + y * picture.w + t.x0 * scale);
    }
}

}  // namespace gpen
