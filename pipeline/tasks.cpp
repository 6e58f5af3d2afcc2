#include "pipeline/tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace gpen {

namespace {

constexpr std::array<TaskTraits, 4> kTraits{{
    {"restore", false, false, true},
    {"colorize", false, false, false},
    {"inpaint", false, false, false},
    {"seg2face", true, true, false},
}};

double luma(const uint8_t* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }
bool is_hole(const uint8_t* rgb) { return rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255; }

constexpr int kHoleMargin = 2;   // pixels beside a hole that are not trusted
constexpr int kHoleFeather = 6;  // pixels over which trust then rises to 1

}  // namespace

const TaskTraits& traits(Task task) { return kTraits[static_cast<size_t>(task)]; }

Result<Task> parse_task(const std::string& name) {
  std::string known;
  for (size_t i = 0; i < kTraits.size(); ++i) {
    if (name == kTraits[i].name) return static_cast<Task>(i);
    known += (i > 0 ? ", " : "") + std::string(kTraits[i].name);
  }
  return fail(Code::usage, "unknown task '", name, "' (known: ", known, ")");
}

void task_input(Task task, const Image& picture, float* planar) {
  const int64_t pixels = picture.pixels();
  const bool unit = traits(task).unit_range;
  for (int64_t i = 0; i < pixels; ++i) {
    const uint8_t* rgb = picture.rgb.data() + 3 * i;
    const uint8_t gray = to_byte(static_cast<float>(luma(rgb)));
    for (int64_t c = 0; c < 3; ++c) {
      const float value = static_cast<float>(task == Task::colorize ? gray : rgb[c]) / 255.0f;
      planar[c * pixels + i] = unit ? value : (value - 0.5f) / 0.5f;
    }
  }
}

Image task_output(Task task, const float* planar, int width, int height) {
  Image picture(width, height);
  const int64_t pixels = picture.pixels();
  const bool unit = traits(task).unit_range;
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const float value = planar[c * pixels + i];
      const float level = (unit ? value : value * 0.5f + 0.5f) * 255.0f;
      // Not a number compares false and becomes 0.
      picture.rgb[3 * i + c] = level > 0 ? static_cast<uint8_t>(std::min(level, 255.0f)) : uint8_t{0};
    }
  return picture;
}

void finish_task(Task task, const Image& input, double lambda, Image* picture) {
  if (task == Task::colorize) keep_luma(input, picture);
  if (task == Task::inpaint) keep_known(input, lambda, picture);
}

void keep_luma(const Image& input, Image* picture) {
  for (int64_t i = 0; i < picture->pixels(); ++i) {
    uint8_t* rgb = picture->rgb.data() + 3 * i;
    // Keeping U and V and replacing Y adds the same to R, G and B: C = Y + (C' - Y') on every channel.
    const double y = luma(input.rgb.data() + 3 * i), old_y = luma(rgb);
    double fit = 1;  // largest share of the colour differences that stays within 0..255
    for (int c = 0; c < 3; ++c) {
      const double difference = rgb[c] - old_y;
      if (difference > 0) fit = std::min(fit, (255 - y) / difference);
      if (difference < 0) fit = std::min(fit, y / -difference);
    }
    for (int c = 0; c < 3; ++c) rgb[c] = to_byte(static_cast<float>(y + fit * (rgb[c] - old_y)));
  }
}

Plane known_weight(const Image& input) {
  const int w = input.width, h = input.height;
  const int far = kHoleMargin + kHoleFeather;
  // Chebyshev distance to the nearest hole, no further than `far`, in two passes over half a neighbourhood each.
  std::vector<int> distance(input.rgb.size() / 3, far);
  const auto relax = [&](int x, int y, int dx, int dy) {
    if (x + dx < 0 || y + dy < 0 || x + dx >= w || y + dy >= h) return;
    int& here = distance[int64_t{y} * w + x];
    here = std::min(here, distance[int64_t{y + dy} * w + x + dx] + 1);
  };
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      if (is_hole(input.row(y) + int64_t{3} * x)) distance[int64_t{y} * w + x] = 0;
      relax(x, y, -1, 0);
      for (int dx = -1; dx <= 1; ++dx) relax(x, y, dx, -1);
    }
  for (int y = h - 1; y >= 0; --y)
    for (int x = w - 1; x >= 0; --x) {
      relax(x, y, 1, 0);
      for (int dx = -1; dx <= 1; ++dx) relax(x, y, dx, 1);
    }
  Plane weight(w, h);
  for (size_t i = 0; i < distance.size(); ++i)
    weight.data[i] = static_cast<float>(std::max(0, distance[i] - kHoleMargin)) / kHoleFeather;
  return weight;
}

void keep_known(const Image& input, double lambda, Image* picture) {
  if (lambda <= 0) return;
  const Plane weight = known_weight(input);
  for (int64_t i = 0; i < picture->pixels(); ++i) {
    const float share = static_cast<float>(lambda) * weight.data[i];
    for (int64_t k = 3 * i; k < 3 * i + 3; ++k) {
      const float now = picture->rgb[k];
      picture->rgb[k] = to_byte(now + share * (static_cast<float>(input.rgb[k]) - now));
    }
  }
}

Rect placed_in_square(int width, int height, int side) {
  const auto shorter = [&](int length, int longest) {
    const int64_t rounded = (int64_t{2} * length * side + longest) / (int64_t{2} * longest);
    return static_cast<int>(std::max<int64_t>(1, rounded));
  };
  const int longest = std::max(width, height);
  const int w = shorter(width, longest), h = shorter(height, longest);
  const int x0 = (side - w) / 2, y0 = (side - h) / 2;
  return {x0, y0, x0 + w, y0 + h};
}

Image to_square(Task task, const Image& picture, int side, ThreadPool& pool) {
  const Rect at = placed_in_square(picture.width, picture.height, side);
  Image inner(at.x1 - at.x0, at.y1 - at.y0);
  if (traits(task).labels) {
    for (int y = 0; y < inner.height; ++y)
      for (int x = 0; x < inner.width; ++x) {
        const int64_t from_x = (int64_t{2} * x + 1) * picture.width / (2 * inner.width);
        const int64_t from_y = (int64_t{2} * y + 1) * picture.height / (2 * inner.height);
        std::copy_n(picture.row(static_cast<int>(from_y)) + 3 * from_x, 3, inner.row(y) + int64_t{3} * x);
      }
  } else {
    resize_bilinear(view(picture), view(inner), pool);
  }
  if (task == Task::inpaint) {
    Plane holes(picture.width, picture.height), mixed(inner.width, inner.height);
    for (size_t i = 0; i < holes.data.size(); ++i) holes.data[i] = is_hole(picture.rgb.data() + 3 * i) ? 1.0f : 0.0f;
    resize_bilinear<float, float>(view(std::as_const(holes)), view(mixed), pool);
    for (size_t i = 0; i < mixed.data.size(); ++i)
      if (mixed.data[i] > 0) std::fill_n(inner.rgb.begin() + 3 * static_cast<int64_t>(i), 3, uint8_t{255});
  }
  Image square(side, side);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const int from_x = std::clamp(x, at.x0, at.x1 - 1) - at.x0, from_y = std::clamp(y, at.y0, at.y1 - 1) - at.y0;
      std::copy_n(inner.row(from_y) + int64_t{3} * from_x, 3, square.row(y) + int64_t{3} * x);
    }
  return square;
}

Image from_square(const Image& square, int width, int height) {
  const Rect at = placed_in_square(width, height, square.width);
  Image picture(at.x1 - at.x0, at.y1 - at.y0);
  for (int y = 0; y < picture.height; ++y)
    std::copy_n(square.row(at.y0 + y) + int64_t{3} * at.x0, int64_t{3} * picture.width, picture.row(y));
  return picture;
}

}  // namespace gpen
