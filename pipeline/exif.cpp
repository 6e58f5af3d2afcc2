#include "pipeline/exif.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>

namespace gpen {

namespace {

using Bytes = std::span<const uint8_t>;

// Reads integers of a TIFF structure; nothing outside its bytes is ever touched.
class TiffReader {
 public:
  explicit TiffReader(Bytes tiff) : tiff_(tiff) {}
  bool read_header() {
    if (tiff_.size() < 8) return false;
    if (tiff_[0] == 'M' && tiff_[1] == 'M')
      big_endian_ = true;
    else if (!(tiff_[0] == 'I' && tiff_[1] == 'I'))
      return false;
    return u16(2) == 42u;
  }
  bool big_endian() const { return big_endian_; }
  std::optional<uint32_t> u16(size_t at) const { return number(at, 2); }
  std::optional<uint32_t> u32(size_t at) const { return number(at, 4); }

 private:
  std::optional<uint32_t> number(size_t at, size_t count) const {
    if (at > tiff_.size() || tiff_.size() - at < count) return std::nullopt;
    uint32_t v = 0;
    for (size_t i = 0; i < count; ++i) v = v << 8 | tiff_[at + (big_endian_ ? i : count - 1 - i)];
    return v;
  }
  Bytes tiff_;
  bool big_endian_ = false;
};

struct Orientation {
  int value;
  size_t at;  // of its low byte
};

std::optional<Orientation> find_orientation(Bytes tiff) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  constexpr size_t kEntryBytes = 12;
  TiffReader in(tiff);
  if (!in.read_header()) return std::nullopt;
  const auto directory = in.u32(4);
  if (!directory) return std::nullopt;
  const auto entries = in.u16(*directory);
  if (!entries) return std::nullopt;
  for (size_t i = 0; i < *entries; ++i) {
    const size_t at = size_t{*directory} + 2 + i * kEntryBytes;
    const auto tag = in.u16(at);
    if (!tag) return std::nullopt;
    if (*tag != kOrientation) continue;
    const auto type = in.u16(at + 2), count = in.u32(at + 4), value = in.u16(at + 8);
    if (type != kShort || count != 1u || !value || *value < 1 || *value > 8) return std::nullopt;
    return Orientation{static_cast<int>(*value), at + 8 + (in.big_endian() ? 1 : 0)};
  }
  return std::nullopt;
}

}  // namespace

int exif_orientation(Bytes tiff) {
  const auto found = find_orientation(tiff);
  return found ? found->value : 1;
}

void set_upright_exif(std::vector<uint8_t>* tiff) {
  if (const auto found = find_orientation(*tiff)) (*tiff)[found->at] = 1;
}

namespace {

// out(x, y) = in(source(x, y)) for `channels` interleaved samples.
template <class T>
std::vector<T> rearrange(const std::vector<T>& in, int width, int height, int channels, int orientation) {
  const bool swaps = orientation >= 5;
  const int out_width = swaps ? height : width, out_height = swaps ? width : height;
  std::vector<T> out(in.size());
  T* to = out.data();
  for (int y = 0; y < out_height; ++y)
    for (int x = 0; x < out_width; ++x) {
      int sx = swaps ? y : x, sy = swaps ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) sx = width - 1 - sx;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) sy = height - 1 - sy;
      const T* from = in.data() + (int64_t{sy} * width + sx) * channels;
      to = std::copy(from, from + channels, to);
    }
  return out;
}

}  // namespace

void apply_orientation(Image* image, int orientation) {
  if (orientation < 2 || orientation > 8) return;
  image->rgb = rearrange(image->rgb, image->width, image->height, 3, orientation);
  if (!image->alpha.empty()) image->alpha = rearrange(image->alpha, image->width, image->height, 1, orientation);
  if (image->deep != nullptr)
    image->deep = std::make_shared<const DeepSamples>(DeepSamples{
        rearrange(image->deep->rgb, image->width, image->height, 3, orientation),
        image->deep->alpha.empty() ? std::vector<uint16_t>()
                                   : rearrange(image->deep->alpha, image->width, image->height, 1, orientation)});
  if (orientation >= 5) std::swap(image->width, image->height);
}

}  // namespace gpen
