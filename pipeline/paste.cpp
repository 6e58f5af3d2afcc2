#include "pipeline/paste.h"

#include <algorithm>
#include <cmath>

namespace gpen {

Plane soften_mask(Plane keep, ThreadPool& pool) {
  constexpr int kBorder = 26, kTaps = 101;
  constexpr double kSigma = 4;
  for (int y = 0; y < keep.height; ++y) {
    float* row = view(keep).row(y);
    const bool edge_row = y < kBorder || y >= keep.height - kBorder;
    for (int x = 0; x < keep.width; ++x)
      if (edge_row || x < kBorder || x >= keep.width - kBorder) row[x] = 0;
  }
  gaussian_blur(&keep, kTaps, kSigma, pool);
  gaussian_blur(&keep, kTaps, kSigma, pool);
  return keep;
}

namespace {

Plane resized(Plane mask, int size, ThreadPool& pool) {
  if (mask.width == size) return mask;
  Plane out(size, size);
  resize_bilinear<float, float>(view(mask), view(out), pool);
  return out;
}

bool is_kept_class(int c) {
  constexpr int kBackground = 0, kHat = 14, kCloth = 18;
  return c != kBackground && c != kHat && c != kCloth;
}

}  // namespace

Plane default_mask(int size, ThreadPool& pool) {
  return resized(soften_mask(Plane(kMaskSide, kMaskSide, 1), pool), size, pool);
}

Plane parsed_mask(const float* logits, int classes, int side, int size, ThreadPool& pool) {
  Plane keep(side, side);
  const int64_t plane = int64_t{side} * side;
  pool.parallel_for(side, [&](int64_t y, int) {
    for (int64_t i = y * side; i < (y + 1) * side; ++i) {
      int best = 0;
      for (int c = 1; c < classes; ++c)
        if (logits[c * plane + i] > logits[best * plane + i]) best = c;
      keep.data[static_cast<size_t>(i)] = is_kept_class(best) ? 1.0f : 0.0f;
    }
  });
  return resized(soften_mask(resized(std::move(keep), kMaskSide, pool), pool), size, pool);
}

void blend(std::span<const uint8_t> restored, std::span<const uint8_t> crop, double alpha, std::span<uint8_t> out) {
  const auto a = static_cast<float>(alpha), b = static_cast<float>(1 - alpha);
  for (size_t i = 0; i < out.size(); ++i) out[i] = to_byte(restored[i] * a + crop[i] * b);
}

Rect reach_of_crop(const Affine& to_crop, int size, int width, int height) {
  const Affine to_picture = inverse(to_crop);
  double x0 = width, y0 = height, x1 = -1, y1 = -1;
  // A sample reaches one pixel beyond the outermost pixel centres.
  for (const double x : {-1.0, static_cast<double>(size)})
    for (const double y : {-1.0, static_cast<double>(size)}) {
      const Point p = to_picture({x, y});
      x0 = std::min(x0, p.x);
      x1 = std::max(x1, p.x);
      y0 = std::min(y0, p.y);
      y1 = std::max(y1, p.y);
    }
  const auto clamp = [](double v, int limit) {
    return static_cast<int>(std::clamp(v, 0.0, static_cast<double>(limit)));
  };
  return {clamp(std::floor(x0), width), clamp(std::floor(y0), height), clamp(std::ceil(x1) + 1, width),
          clamp(std::ceil(y1) + 1, height)};
}

void PasteCanvas::add(Pixels<const uint8_t> face, const Plane& mask, const Affine& to_crop, ThreadPool& pool) {
  const Rect reach = reach_of_crop(to_crop, face.width, mask_.width, mask_.height);
  if (reach.empty()) return;
  pool.parallel_for(reach.y1 - reach.y0, [&](int64_t i, int) {
    const int y = reach.y0 + static_cast<int>(i);
    float* mask_row = view(mask_).row(y);
    uint8_t* face_row = faces_.row(y);
    for (int x = reach.x0; x < reach.x1; ++x) {
      const Point at = to_crop({static_cast<double>(x), static_cast<double>(y)});
      float m, rgb[3];
      sample_bilinear<1>(view(mask), at, &m);
      if (!(m > mask_row[x])) continue;
      sample_bilinear<3>(face, at, rgb);
      mask_row[x] = m;
      for (int c = 0; c < 3; ++c) face_row[3 * x + c] = to_byte(rgb[c]);
    }
  });
}

void PasteCanvas::blend_into(Image* picture, ThreadPool& pool) const {
  pool.parallel_for(picture->height, [&](int64_t row, int) {
    const int y = static_cast<int>(row);
    const float* mask_row = view(mask_).row(y);
    const uint8_t* face_row = faces_.row(y);
    uint8_t* out = picture->row(y);
    for (int x = 0; x < picture->width; ++x) {
      const float m = mask_row[x];
      if (m <= 0) continue;
      for (int i = 3 * x; i < 3 * x + 3; ++i) out[i] = to_byte(out[i] * (1 - m) + face_row[i] * m);
    }
  });
}

}  // namespace gpen
