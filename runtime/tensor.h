// A view of a four-dimensional activation: pointer, shape, layout. It owns nothing and never allocates.
#pragma once
#include <cstdint>
#include <string>

namespace gpen {

inline constexpr int64_t kBlock = 16;  // channels per block of the blocked layout: one 64-byte line of floats

enum class Layout : uint8_t {
  nchw,     // planar: element (n,c,h,w) at ((n*C + c)*H + h)*W + w
  nchw16c,  // blocked: ((n*ceil(C/16) + c/16)*H + h)*W + w)*16 + c%16; channels beyond C in the last block are zero
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct TensorView {
  float* data = nullptr;
  int64_t n = 0, c = 0, h = 0, w = 0;
  Layout layout = Layout::nchw;
  int64_t batch_stride = 0;  // floats between two images; larger than one image in a channel slice

  int64_t blocks() const { return ceil_div(c, kBlock); }
  int64_t plane() const { return h * w; }
  // Floats of one image in this layout (including the zero channels of the last block).
  int64_t image_size() const { return (layout == Layout::nchw ? c : blocks() * kBlock) * plane(); }
  // Pointer to image i; to block b of image i (blocked layout).
  float* image(int64_t i) const { return data + i * batch_stride; }
  float* block(int64_t i, int64_t b) const { return image(i) + b * plane() * kBlock; }
  // Channels [first, first+count) of a blocked tensor, sharing its memory; first must be a multiple of 16.
  TensorView channels(int64_t first, int64_t count) const {
    TensorView v = *this;
    v.data = data == nullptr ? nullptr : data + first * plane();
    v.c = count;
    return v;
  }
  bool same_shape(const TensorView& o) const { return n == o.n && c == o.c && h == o.h && w == o.w; }
  std::string shape_string() const {
    return std::to_string(n) + "x" + std::to_string(c) + "x" + std::to_string(h) + "x" + std::to_string(w);
  }
};

inline TensorView make_view(float* data, int64_t n, int64_t c, int64_t h, int64_t w, Layout layout = Layout::nchw) {
  TensorView v{data, n, c, h, w, layout, 0};
  v.batch_stride = v.image_size();
  return v;
}

}  // namespace gpen
