// Direct convolution. A work item is a tile of output pixels and a range of output panels: the input region is packed
// (prologue, padding, blur) a few channel blocks at a time, the micro-kernel adds every tap of the chunk to the tile's
// sums, and the epilogue stores them. A pixel's sum runs over blocks, taps and channels in that order whatever the
// tile.
#include <algorithm>

#include "kernels/conv2d_impl.h"

namespace gpen {

namespace {

constexpr int64_t kTilePixels = 256;
constexpr int64_t kChunkFloats = 64 * 1024;  // packed region of a chunk
constexpr int64_t kSumFloats = 160 * 1024;   // sums of one work item

}  // namespace

int64_t panels_per_item(const Panels& panels, int64_t pixels, int64_t items, int threads, int phases) {
  const int64_t panel_floats = pixels * kBlock * panels.blocks_per_panel * phases;
  int64_t count = std::clamp<int64_t>(kSumFloats / panel_floats, 1, panels.count());
  // Few tiles: split the channels so that every thread has a few items.
  const int64_t wanted = 4 * threads;
  if (threads > 1 && items * ceil_div(panels.count(), count) < wanted)
    count = std::max<int64_t>(1, panels.count() * items / wanted);
  return count;
}

void TileGemm::run(const float* chunk, int64_t k0, int64_t kc, int64_t region_rows, int64_t region_cols, int64_t rows,
                   int64_t cols, int64_t panel0, int64_t panel1, const float** pointers, float* c, int64_t c_plane,
                   int64_t c_cols) const {
  const int64_t taps = static_cast<int64_t>(weights->taps.size());
  const int64_t groups = ceil_div(cols, isa->max_rows);
  const auto gemm = micro_kernel(*isa, weights->precision);
  const int64_t weight_floats = k0 * taps * weight_rows(in->channels_per_block, weights->precision);
  for (int64_t p = panel0; p < panel1; ++p) {
    const int64_t blocks = panels->blocks(p);
    const bool wide = blocks * kBlock == isa->panel;
    const float* b = weights->panel(*panels, *in, p) + weight_floats * blocks * kBlock;
    float* c_panel = c + (panels->first_block(p) - panels->first_block(panel0)) * c_plane * kBlock;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t x = g * cols / groups, next = (g + 1) * cols / groups;
        const float** a = pointers;
        for (int64_t k = 0; k < kc; ++k)
          for (const Tap& t : weights->taps)
            *a++ = chunk + ((k * region_rows + r * step + t.dy) * region_cols + x * step + t.dx) * kBlock;
        gemm(static_cast<int>(next - x), step, wide, pointers, kc * taps, in->channels_per_block, b,
             c_panel + (r * c_cols + x) * kBlock, c_plane * kBlock, k0 > 0);
      }
  }
}

void conv2d_direct(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                   TensorView y) {
  const ConvGeometry& g = w.geometry;
  const int64_t taps = static_cast<int64_t>(w.direct.taps.size());
  const int64_t row_width = 4 * w.isa->max_rows;
  const int64_t tw = y.w <= row_width + row_width / 4 ? y.w : row_width;
  const int64_t th = std::clamp<int64_t>(kTilePixels / tw, 1, y.h);
  const int64_t region_rows = (th - 1) * g.stride + g.kernel_h, region_cols = (tw - 1) * g.stride + g.kernel_w;
  const int64_t blocks = w.in.count();
  const int64_t kc = std::clamp<int64_t>(
      std::min(w.isa->chunk_entries / taps, kChunkFloats / (region_rows * region_cols * kBlock)), 1, blocks);
  const int64_t tiles_x = ceil_div(y.w, tw), tiles_y = ceil_div(y.h, th), tiles = tiles_x * tiles_y;
  const int64_t per_item = panels_per_item(w.panels, th * tw, y.n * tiles, exec.pool.size(), 1);
  const int64_t splits = ceil_div(w.panels.count(), per_item);
  const bool blur = g.blur_pad > 0;

  const int64_t chunk_floats = kc * region_rows * region_cols * kBlock;
  const int64_t raw_floats = RegionSource::raw_floats(blur, region_rows, region_cols);
  const int64_t sum_floats = per_item * w.panels.blocks_per_panel * th * tw * kBlock;
  const int64_t pointer_floats = ceil_div(kc * taps * 2, kBlock) * kBlock;
  const int64_t thread_floats = chunk_floats + raw_floats + sum_floats + pointer_floats;
  Workspace::Handle handle;
  float* scratch = exec.ws.take(static_cast<size_t>(thread_floats * exec.pool.size()), &handle);
  if (!exec.dry()) {
    const RegionSource source{w.isa, &w.in, &in, g.pad_mode, g.upsample, blur, w.direct.precision == Precision::bf16};
    const TileGemm tile_gemm{w.isa, &w.direct, &w.panels, &w.in, g.stride};
    // Images vary fastest: neighbours in time share the panel's weights.
    exec.pool.parallel_for(splits * tiles * y.n, [&](int64_t item, int thread) {
      const int64_t n = item % y.n, tile = item / y.n % tiles, split = item / y.n / tiles;
      const int64_t y0 = tile / tiles_x * th, x0 = tile % tiles_x * tw;
      const int64_t rows = std::min(th, y.h - y0), cols = std::min(tw, y.w - x0);
      const int64_t panel0 = split * per_item, panel1 = std::min(panel0 + per_item, w.panels.count());
      float* chunk = scratch + thread * thread_floats;
      float* raw = chunk + chunk_floats;
      float* sums = raw + raw_floats;
      auto pointers = reinterpret_cast<const float**>(sums + sum_floats);
      const int64_t rr = (rows - 1) * g.stride + g.kernel_h, rc = (cols - 1) * g.stride + g.kernel_w;
      const int64_t offset = blur ? g.blur_pad : g.pad;
      for (int64_t k0 = 0; k0 < blocks; k0 += kc) {
        const int64_t count = std::min(kc, blocks - k0);
        source.pack(n, k0, count, y0 * g.stride - offset, x0 * g.stride - offset, rr, rc, chunk, raw);
        tile_gemm.run(chunk, k0, count, rr, rc, rows, cols, panel0, panel1, pointers, sums, th * tw, tw);
      }
      const int64_t b0 = w.panels.first_block(panel0);
      const int64_t b1 = std::min(w.panels.out_blocks, w.panels.first_block(panel1));
      for (int64_t b = b0; b < b1; ++b)
        for (int64_t r = 0; r < rows; ++r)
          store_epilogue(*w.isa, w.bias, ep, sums + ((b - b0) * th * tw + r * tw) * kBlock, cols, n, b, y0 + r, x0, y);
    });
  }
  exec.ws.give_back(handle);
}

}  // namespace gpen
