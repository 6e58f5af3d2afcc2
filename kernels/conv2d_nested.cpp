// The stride-2 3x3 convolution, blurred (the encoder's) or not, as nested F(3,2): in each direction the samples 2i and
// 2i+2 meet two taps (four multiplications for three outputs), the samples 2i+1 one (three): 49 for 9 outputs instead
// of 81. All transforms are additions; fp32 error about 6.5e-7 of the norm.
#include "kernels/transform_gemm.h"

namespace gpen {

void conv2d_nested(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                   TensorView y) {
  const int64_t tiles_w = ceil_div(y.w, 3), tiles_h = ceil_div(y.h, 3), tiles = y.n * tiles_h * tiles_w;
  const TransformSchedule schedule =
      plan_transform(kNested3x2, *w.isa, w.in.count(), w.panels.out_blocks, tiles, exec.pool.size());
  const int64_t most = std::min(tiles_w, kSegmentTiles), most_cols = 6 * most + 1;
  const int64_t region_floats = 7 * most_cols * kBlock;  // the output tile needs less
  const bool blur = w.geometry.blur_pad > 0;
  const int64_t thread_floats = region_floats + RegionSource::raw_floats(blur, 7, most_cols);
  const bool bf16 = w.transformed.precision == Precision::bf16;
  const int64_t pad = blur ? w.geometry.blur_pad : w.geometry.pad;
  Workspace::Handle handle, region_handle;
  float* scratch = exec.ws.take(static_cast<size_t>(schedule.floats), &handle);
  float* regions = exec.ws.take(static_cast<size_t>(thread_floats * exec.pool.size()), &region_handle);
  if (!exec.dry()) {
    const RegionSource source{w.isa, &w.in, &in, w.geometry.pad_mode, w.geometry.upsample, blur};
    const TransformGemm gemm{*w.isa, w.transformed, w.panels, w.in.count(), schedule, scratch};
    gemm.run(
        exec.pool, tiles,
        [&](int thread, int64_t b, int64_t t0, int64_t count, float* v, int64_t v_stride) {
          float* region = regions + thread * thread_floats;
          for_tile_runs(tiles_w, t0, count, [&](int64_t row, int64_t tx, int64_t run, int64_t offset) {
            const int64_t n = row / tiles_h, ty = row % tiles_h, cols = 6 * run + 1;
            source.pack(n, b, 1, ty * 6 - pad, tx * 6 - pad, 7, cols, region, region + region_floats);
            w.isa->nested_down_input(region, cols, run, bf16, v + offset * kBlock, v_stride);
          });
        },
        [&](int thread, int64_t b, int64_t t0, int64_t count, const float* m, int64_t m_stride) {
          for_tile_runs(tiles_w, t0, count, [&](int64_t row, int64_t tx, int64_t run, int64_t offset) {
            const int64_t n = row / tiles_h, ty = row % tiles_h;
            const OutputBlock to = output_block(w.bias, ep, y, n, b, ty * 3, tx * 3);
            write_tiles<3>(w.isa->nested_down_output, *w.isa, to, m + offset * kBlock, m_stride, run, y.h - ty * 3,
                           y.w - tx * 3, regions + thread * thread_floats);
          });
        });
  }
  exec.ws.give_back(region_handle);
  exec.ws.give_back(handle);
}

}  // namespace gpen
