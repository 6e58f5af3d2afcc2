// A view of a four-dimensional activation: pointer, shape, layout. It owns nothing and never allocates.
#pragma once
#include <cstdint>
#include <string>

namespace gpen {

inline constexpr int64_t kBlock = 16;  // channels per block of the blocked layout: one 64-byte line of floats

enum class Layout : uint8_t {
  nchw,     // planar: element (n,c,h,w) at ((n*C + c)*H + h)*W + w
  nchw16c,  // blocked: ((n*ceil(C/16) + c/16)*H + h)*W + w)*16 + c%16; channels beyond C in the last block are zero
  nhwc,     // a GPU's activations: ((n*H + h)*W + w)*16*ceil(C/16) + c; the channels beyond C are zero
};

// Type of the elements. Planar pictures, vectors and everything on the CPU are f32.
enum class ElementType : uint8_t { f32, f16, bf16 };
constexpr int64_t size_of(ElementType t) { return t == ElementType::f32 ? 4 : 2; }

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct TensorView {
  float* data = nullptr;  // the first element, whatever its type
  int64_t n = 0, c = 0, h = 0, w = 0;
  Layout layout = Layout::nchw;
  int64_t batch_stride = 0;  // elements between two images; larger than one image in a blocked channel slice
  ElementType type = ElementType::f32;
  int64_t pixel_stride = 0;  // nhwc: elements between two pixels; larger than one pixel in a channel slice
  bool on_device = false;    // of a network's inputs and outputs: in the device's memory, not the host's

  int64_t blocks() const { return ceil_div(c, kBlock); }
  int64_t plane() const { return h * w; }
  // Elements of one image in this layout (including the zero channels of the last block).
  int64_t image_size() const { return (layout == Layout::nchw ? c : blocks() * kBlock) * plane(); }
  // Pointer to image i (f32); to block b of image i (blocked layout).
  float* image(int64_t i) const { return data + i * batch_stride; }
  float* block(int64_t i, int64_t b) const { return image(i) + b * plane() * kBlock; }
  // Channels [first, first+count) of a blocked or nhwc tensor, sharing its memory; first must be a multiple of 16.
  TensorView channels(int64_t first, int64_t count) const {
    TensorView v = *this;
    const int64_t skipped = layout == Layout::nhwc ? first * size_of(type) : first * plane() * size_of(type);
    v.data = data == nullptr ? nullptr : reinterpret_cast<float*>(reinterpret_cast<char*>(data) + skipped);
    v.c = count;
    return v;
  }
  bool same_shape(const TensorView& o) const { return n == o.n && c == o.c && h == o.h && w == o.w; }
  std::string shape_string() const {
    return std::to_string(n) + "x" + std::to_string(c) + "x" + std::to_string(h) + "x" + std::to_string(w);
  }
};

inline TensorView make_view(float* data, int64_t n, int64_t c, int64_t h, int64_t w, Layout layout = Layout::nchw,
                            ElementType type = ElementType::f32) {
  TensorView v{data, n, c, h, w, layout, 0, type, 0};
  v.batch_stride = v.image_size();
  if (layout == Layout::nhwc) v.pixel_stride = v.blocks() * kBlock;
  return v;
}

}  // namespace gpen
