#include "pipeline/png_writer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

#include "pipeline/deflate.h"
#include "pipeline/png_chunks.h"
#include "pipeline/samples.h"

namespace gpen {

namespace {

struct Layout {
  bool gray, alpha, deep;
  int colours() const { return gray ? 1 : 3; }
  int bytes_per_pixel() const { return (colours() + alpha) * (deep ? 2 : 1); }
  uint8_t colour_type() const { return static_cast<uint8_t>((gray ? 0 : 2) + (alpha ? 4 : 0)); }
};

// One row as the file holds it, before filtering.
void pack_row(const Image& image, const Layout& layout, int y, uint8_t* out) {
  const size_t first = static_cast<size_t>(y) * static_cast<size_t>(image.width);
  const auto put = [&](uint32_t v) {
    if (layout.deep) *out++ = static_cast<uint8_t>(v >> 8);
    *out++ = static_cast<uint8_t>(v);
  };
  if (!layout.gray && !layout.alpha && !layout.deep) {
    std::copy_n(image.row(y), 3 * image.width, out);
    return;
  }
  for (size_t i = first; i < first + static_cast<size_t>(image.width); ++i) {
    uint32_t rgb[3];
    for (size_t c = 0; c < 3; ++c) rgb[c] = layout.deep ? sixteen_bit_colour(image, 3 * i + c) : image.rgb[3 * i + c];
    if (layout.gray)
      put(luma(rgb[0], rgb[1], rgb[2]));
    else
      for (const uint32_t v : rgb) put(v);
    if (layout.alpha) put(layout.deep ? sixteen_bit_alpha(image, i) : image.alpha[i]);
  }
}

constexpr int kFilters = 5;
constexpr size_t kPad = 8;  // zeros before a row: the pixel left of the first one

// Every filter's row (clause 9.2); row and above start behind kPad zeros.
void filter_row(const uint8_t* row, const uint8_t* above, size_t bytes, size_t bpp,
                std::array<std::vector<uint8_t>, kFilters>* filtered) {
  uint8_t *none = (*filtered)[0].data(), *sub = (*filtered)[1].data(), *up = (*filtered)[2].data(),
          *average = (*filtered)[3].data(), *paeth = (*filtered)[4].data();
  for (size_t i = 0; i < bytes; ++i) none[i] = row[i];
  for (size_t i = 0; i < bytes; ++i) sub[i] = static_cast<uint8_t>(row[i] - row[i - bpp]);
  for (size_t i = 0; i < bytes; ++i) up[i] = static_cast<uint8_t>(row[i] - above[i]);
  for (size_t i = 0; i < bytes; ++i) average[i] = static_cast<uint8_t>(row[i] - ((row[i - bpp] + above[i]) >> 1));
  for (size_t i = 0; i < bytes; ++i) {
    const int16_t a = row[i - bpp], b = above[i], c = above[i - bpp];
    const auto pa = static_cast<int16_t>(std::abs(b - c)), pb = static_cast<int16_t>(std::abs(a - c)),
               pc = static_cast<int16_t>(std::abs(a + b - 2 * c));
    const int16_t predicted = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    paeth[i] = static_cast<uint8_t>(row[i] - predicted);
  }
}

// The smaller the sum of the differences, the shorter the row becomes: the rule of thumb of the standard (12.8).
size_t best_filter(const std::array<std::vector<uint8_t>, kFilters>& filtered) {
  size_t best = 0;
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (size_t f = 0; f < kFilters; ++f) {
    uint64_t sum = 0;
    constexpr size_t kPart = 1 << 16;  // a 32-bit sum holds it
    const std::vector<uint8_t>& row = filtered[f];
    for (size_t at = 0; at < row.size(); at += kPart) {
      uint32_t part = 0;
      for (size_t i = at; i < std::min(row.size(), at + kPart); ++i)
        part += static_cast<uint32_t>(std::abs(static_cast<int8_t>(row[i])));
      sum += part;
    }
    if (sum < least) {
      least = sum;
      best = f;
    }
  }
  return best;
}

std::vector<uint8_t> filtered_rows(const Image& image, const Layout& layout) {
  const size_t bpp = static_cast<size_t>(layout.bytes_per_pixel()), bytes = static_cast<size_t>(image.width) * bpp;
  std::vector<uint8_t> row(kPad + bytes), above(kPad + bytes), out;
  std::array<std::vector<uint8_t>, kFilters> filtered;
  for (std::vector<uint8_t>& f : filtered) f.resize(bytes);
  out.reserve((bytes + 1) * static_cast<size_t>(image.height));
  for (int y = 0; y < image.height; ++y) {
    pack_row(image, layout, y, row.data() + kPad);
    filter_row(row.data() + kPad, above.data() + kPad, bytes, bpp, &filtered);
    const size_t best = best_filter(filtered);
    out.push_back(static_cast<uint8_t>(best));
    out.insert(out.end(), filtered[best].begin(), filtered[best].end());
    std::swap(row, above);
  }
  return out;
}

}  // namespace

Result<std::vector<uint8_t>> write_png(const Image& image, bool gray, const Metadata& metadata) {
  const Layout layout{gray, !image.alpha.empty(), sixteen_bits(image)};
  if ((int64_t{image.width} * layout.bytes_per_pixel() + 1) * image.height > std::numeric_limits<int>::max() / 2)
    return fail(Code::io, "a picture of ", image.width, "x", image.height, " pixels is too large for this PNG writer");
  std::vector<uint8_t> out{0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A}, header;
  for (const int side : {image.width, image.height})
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<uint8_t>(side >> shift));
  for (const uint8_t v : {uint8_t(layout.deep ? 16 : 8), layout.colour_type(), uint8_t{0}, uint8_t{0}, uint8_t{0}})
    header.push_back(v);
  append_png_chunk(&out, "IHDR", header);
  append_png_metadata(&out, metadata, layout.colours());
  const std::vector<uint8_t> packed = zlib_deflate(filtered_rows(image, layout));
  if (packed.empty()) return fail(Code::memory, "out of memory while writing a png");
  append_png_chunk(&out, "IDAT", packed);
  append_png_chunk(&out, "IEND", {});
  return out;
}

}  // namespace gpen
