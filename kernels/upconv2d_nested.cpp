// The transposed convolution as nested F(3,2): in each direction t[2i] meets two taps (four multiplications for three
// positions), t[2i+1] one (three). It is formed a band of rows at a time in a ring of rows that the blur and the
// epilogue read while they are hot; the last three rows of a band stay for the next one.
#include "kernels/upconv2d_impl.h"

namespace gpen {

namespace {

constexpr int64_t kRingBytes = int64_t{16} << 20;

// Tile rows of a band: enough tiles for every thread to have a few blocks, few enough rows to stay in a shared cache.
// row_bytes: of one row of the transposed convolution, all channels and images.
int64_t band_tile_rows(int64_t images, int64_t tile_rows, int64_t tile_cols, int64_t row_bytes, int threads) {
  const int64_t wanted =
      std::min(ceil_div(int64_t{90} * threads, images * tile_cols), std::max<int64_t>(1, kRingBytes / (6 * row_bytes)));
  const int64_t bands = std::max<int64_t>(1, tile_rows / std::min(wanted, tile_rows));
  return ceil_div(tile_rows, bands);
}

}  // namespace

void upconv2d_nested(Exec& exec, const UpConv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y) {
  const int64_t n = y.n, h = in.x.h, wd = in.x.w, t_rows = 2 * h + 1;
  const int64_t tile_rows = ceil_div(h + 1, 3), tile_cols = ceil_div(wd + 1, 3);
  const int64_t out_blocks = w.panels.out_blocks, row_floats = 6 * tile_cols * kBlock;
  const int64_t band = band_tile_rows(n, tile_rows, tile_cols, n * out_blocks * row_floats * 4, exec.pool.size());
  const TransformSchedule schedule =
      plan_transform(kNested3x2, *w.isa, w.in.count(), w.panels.out_blocks, n * band * tile_cols, exec.pool.size());
  const int64_t ring = 6 * band + 3;
  const int64_t most_cols = 3 * std::min(tile_cols, kSegmentTiles) + 1;
  const int64_t thread_floats = std::max(11 * most_cols, 2 * wd + 3) * kBlock;
  Workspace::Handle handle, region_handle, ring_handle;
  float* scratch = exec.ws.take(static_cast<size_t>(schedule.floats), &handle);
  float* regions = exec.ws.take(static_cast<size_t>(thread_floats * exec.pool.size()), &region_handle);
  float* t = exec.ws.take(static_cast<size_t>(n * out_blocks * ring * row_floats), &ring_handle);
  auto t_row = [&](int64_t image, int64_t b, int64_t row) {
    return t + ((image * out_blocks + b) * ring + row % ring) * row_floats;
  };

  const bool bf16 = w.nested.precision == Precision::bf16;
  const RegionSource source{w.isa, &w.in, &in, PadMode::zero, 1, false, bf16};
  const TransformGemm gemm{*w.isa, w.nested, w.panels, w.in.count(), schedule, scratch};
  int64_t y0 = 0;  // first output row that is not finished
  for (int64_t ty0 = 0; ty0 < tile_rows && !exec.dry(); ty0 += band) {
    const int64_t rows = std::min(band, tile_rows - ty0);
    gemm.run(
        exec.pool, n * rows * tile_cols,
        [&](int thread, int64_t b, int64_t t0, int64_t count, float* v, int64_t v_stride) {
          float* region = regions + thread * thread_floats;
          for_tile_runs(tile_cols, t0, count, [&](int64_t row, int64_t tx, int64_t run, int64_t offset) {
            const int64_t ty = ty0 + row % rows;
            const PackBlock job = source.region(row / rows, b, 3 * ty - 1, 3 * tx - 1, 4, 3 * run + 1);
            w.isa->nested_up_input(job, run, region, v + offset * kBlock, v_stride);
          });
        },
        [&](int, int64_t b, int64_t t0, int64_t count, const float* m, int64_t m_stride) {
          for_tile_runs(tile_cols, t0, count, [&](int64_t row, int64_t tx, int64_t run, int64_t offset) {
            const int64_t ty = ty0 + row % rows;
            float* to[6];
            for (int64_t r = 0; r < 6; ++r) to[r] = t_row(row / rows, b, 6 * ty + r) + 6 * tx * kBlock;
            w.isa->nested_up_output(m + offset * kBlock, m_stride, run, to);
          });
        });
    // Output row r reads the rows r-1 ... r+2.
    const int64_t y1 = ty0 + rows == tile_rows ? y.h : 6 * (ty0 + rows) - 2;
    const int64_t pieces = std::min<int64_t>(y1 - y0, 4);
    exec.pool.parallel_for(n * out_blocks * pieces, [&](int64_t item, int thread) {
      const int64_t image = item / (out_blocks * pieces), b = item / pieces % out_blocks, piece = item % pieces;
      const Epilogue e = upsample_epilogue(w, ep, y, image, b);
      for (int64_t r = y0 + piece * (y1 - y0) / pieces; r < y0 + (piece + 1) * (y1 - y0) / pieces; ++r) {
        const float* from[4];
        for (int64_t k = 0; k < 4; ++k)
          from[k] = r - 1 + k >= 0 && r - 1 + k < t_rows ? t_row(image, b, r - 1 + k) : nullptr;
        w.isa->upsample_blur_row(e, from, y.w, regions + thread * thread_floats, y.block(image, b) + r * y.w * kBlock);
      }
    });
    y0 = y1;
  }
  exec.ws.give_back(ring_handle);
  exec.ws.give_back(region_handle);
  exec.ws.give_back(handle);
}

}  // namespace gpen
