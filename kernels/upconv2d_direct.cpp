// The four phases into a buffer (a tile of input positions per work item, packed once for all four), then the blur with
// the epilogue, per group of output channels: the group is chosen so that the buffer stays small next to the
// activations.
#include <algorithm>

#include "kernels/upconv2d_impl.h"

namespace gpen {

namespace {

constexpr int64_t kTilePixels = 224;
constexpr int64_t kBufferBytes = int64_t{32} << 20;
constexpr int kPhases = UpConv2dWeights::Impl::kPhases;

// Writes the sums of one phase to every second row and column of the transposed convolution's buffer.
void scatter(const float* sums, int64_t sum_cols, int64_t rows, int64_t cols, float* t, int64_t t_cols) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      std::copy_n(sums + (r * sum_cols + c) * kBlock, kBlock, t + (2 * r * t_cols + 2 * c) * kBlock);
}

}  // namespace

void upconv2d_direct(Exec& exec, const UpConv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y) {
  const int64_t h = in.x.h, wd = in.x.w;
  const int64_t t_rows = 2 * h + 1, t_cols = 2 * wd + 1, t_plane = t_rows * t_cols * kBlock;

  const int64_t row_width = 4 * w.isa->max_rows;
  const int64_t tw = wd + 1 <= row_width + row_width / 4 ? wd + 1 : row_width;
  const int64_t th = std::clamp<int64_t>(kTilePixels / tw, 1, h + 1);
  const int64_t tiles_x = ceil_div(wd + 1, tw), tiles_y = ceil_div(h + 1, th), tiles = tiles_x * tiles_y;
  const int64_t panel_blocks = w.panels.blocks_per_panel;
  const int64_t group = std::clamp<int64_t>(kBufferBytes / (y.n * t_plane * 4 * panel_blocks), 1, w.panels.count());
  const int64_t per_item = std::min(group, panels_per_item({group * panel_blocks, w.panels.blocks_per_panel}, th * tw,
                                                           y.n * tiles, exec.pool.size(), kPhases));
  const int64_t splits = ceil_div(group, per_item);

  const int64_t kc = std::clamp<int64_t>(w.isa->chunk_entries / 9, 1, w.in.count());
  const int64_t region_floats = (th + 1) * (tw + 1) * kBlock * kc;
  const int64_t sum_plane = per_item * panel_blocks * th * tw * kBlock;
  const int64_t pointer_floats = ceil_div(kc * 4 * 2, kBlock) * kBlock;
  const int64_t conv_floats = region_floats + kPhases * sum_plane + pointer_floats;
  const int64_t thread_floats = std::max(conv_floats, (2 * wd + 3) * kBlock);
  Workspace::Handle scratch_handle, buffer_handle;
  float* scratch = exec.ws.take(static_cast<size_t>(thread_floats * exec.pool.size()), &scratch_handle);
  float* buffer = exec.ws.take(static_cast<size_t>(y.n * group * panel_blocks * t_plane), &buffer_handle);

  const RegionSource source{w.isa, &w.in, &in, PadMode::zero, 1, false, w.phase[0].precision == Precision::bf16};
  for (int64_t g0 = 0; g0 < w.panels.count() && !exec.dry(); g0 += group) {
    const int64_t g1 = std::min(g0 + group, w.panels.count());
    const int64_t block0 = w.panels.first_block(g0);
    const int64_t block1 = std::min(w.panels.out_blocks, w.panels.first_block(g1));
    auto plane = [&](int64_t n, int64_t b) { return buffer + (n * group * panel_blocks + b - block0) * t_plane; };

    exec.pool.parallel_for(splits * tiles * y.n, [&](int64_t item, int thread) {
      const int64_t n = item % y.n, tile = item / y.n % tiles, split = item / y.n / tiles;
      const int64_t i0 = tile / tiles_x * th, j0 = tile % tiles_x * tw;
      const int64_t rows = std::min(th, h + 1 - i0), cols = std::min(tw, wd + 1 - j0);
      const int64_t panel0 = g0 + split * per_item, panel1 = std::min(panel0 + per_item, g1);
      if (panel0 >= panel1) return;
      float* region = scratch + thread * thread_floats;
      float* sums = region + region_floats;
      auto pointers = reinterpret_cast<const float**>(sums + kPhases * sum_plane);
      auto phase_rows = [&](int p) { return p / 2 == 0 ? rows : std::min(rows, h - i0); };
      auto phase_cols = [&](int p) { return p % 2 == 0 ? cols : std::min(cols, wd - j0); };
      for (int64_t k0 = 0; k0 < w.in.count(); k0 += kc) {
        const int64_t count = std::min(kc, w.in.count() - k0);
        source.pack(n, k0, count, i0 - 1, j0 - 1, rows + 1, cols + 1, region, nullptr);
        for (int p = 0; p < kPhases; ++p)
          TileGemm{w.isa, &w.phase[p], &w.panels, &w.in, 1}.run(region, k0, count, rows + 1, cols + 1, phase_rows(p),
                                                                phase_cols(p), panel0, panel1, pointers,
                                                                sums + p * sum_plane, th * tw, tw);
      }
      const int64_t b0 = w.panels.first_block(panel0);
      const int64_t b1 = std::min(w.panels.out_blocks, w.panels.first_block(panel1));
      for (int64_t b = b0; b < b1; ++b)
        for (int p = 0; p < kPhases; ++p)
          scatter(sums + p * sum_plane + (b - b0) * th * tw * kBlock, tw, phase_rows(p), phase_cols(p),
                  plane(n, b) + ((2 * i0 + p / 2) * t_cols + 2 * j0 + p % 2) * kBlock, t_cols);
    });

    const int64_t blocks = block1 - block0, band = std::max<int64_t>(1, std::min<int64_t>(16, y.h / 4));
    const int64_t bands = ceil_div(y.h, band);
    exec.pool.parallel_for(y.n * blocks * bands, [&](int64_t item, int thread) {
      const int64_t n = item / (blocks * bands), b = block0 + item / bands % blocks, r0 = item % bands * band;
      const Epilogue e = upsample_epilogue(w, ep, y, n, b);
      const float* t = plane(n, b);
      for (int64_t r = r0; r < std::min(r0 + band, y.h); ++r) {
        const float* rows[4];
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t at = r - 1 + k;
          rows[k] = at >= 0 && at < t_rows ? t + at * t_cols * kBlock : nullptr;
        }
        w.isa->upsample_blur_row(e, rows, y.w, scratch + thread * thread_floats, y.block(n, b) + r * y.w * kBlock);
      }
    });
  }
  exec.ws.give_back(buffer_handle);
  exec.ws.give_back(scratch_handle);
}

}  // namespace gpen
