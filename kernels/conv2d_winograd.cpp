// Winograd F(4x4,3x3) (Lavin and Gray 2015) with the points 0, +-sqrt2/2, +-sqrt2, infinity: 36 multiplications for 16
// outputs instead of 144. A work item is a block of about 28 tiles of 4x4 outputs: transform the input (after the
// prologue), multiply at each of the 36 positions, transform back, epilogue. fp32 error about 2.4e-6 of the norm.
#include <algorithm>

#include "kernels/conv2d_impl.h"

namespace gpen {

namespace {

constexpr int64_t kPositions = 36;
// Tiles of one work item: a multiple of the micro-kernel's 14 rows; V and M then stay near the L2 cache.
constexpr int64_t kTiles = 28;

// The filter transform G (6x3) of the points, exact to double.
constexpr double kRoot2 = 1.4142135623730951;
constexpr double kG[6][3] = {{1, 0, 0},
                             {-2.0 / 3, -kRoot2 / 3, -1.0 / 3},
                             {-2.0 / 3, kRoot2 / 3, -1.0 / 3},
                             {1.0 / 6, kRoot2 / 6, 1.0 / 3},
                             {1.0 / 6, -kRoot2 / 6, 1.0 / 3},
                             {0, 0, 1}};

// u[6*6][width] = G g G^T of the kernels g[9][width] of `width` output channels, in double.
constexpr int64_t kMaxPanel = 32;
void transform_filters(const double (&g)[9][kMaxPanel], int64_t width, float (&u)[kPositions][kMaxPanel]) {
  double half[6][3][kMaxPanel];
  for (int a = 0; a < 6; ++a)
    for (int c = 0; c < 3; ++c)
      for (int64_t j = 0; j < width; ++j)
        half[a][c][j] = kG[a][0] * g[c][j] + kG[a][1] * g[3 + c][j] + kG[a][2] * g[6 + c][j];
  for (int a = 0; a < 6; ++a)
    for (int b = 0; b < 6; ++b)
      for (int64_t j = 0; j < width; ++j)
        u[a * 6 + b][j] =
            static_cast<float>(half[a][0][j] * kG[b][0] + half[a][1][j] * kG[b][1] + half[a][2][j] * kG[b][2]);
}

}  // namespace

Status pack_winograd(Conv2dWeights::Impl& w, const float* weight, double scale, ThreadPool& pool) {
  const int64_t k = w.in.count() * kBlock, outs = w.panels.out_blocks * kBlock;
  const size_t bytes = static_cast<size_t>(kPositions * k * outs) * sizeof(float);
  w.winograd = AlignedBuffer(bytes);
  if (w.winograd.data() == nullptr) return fail(Code::memory, "cannot allocate ", bytes, " bytes of packed weights");
  const int64_t position_stride = k * outs;
  pool.parallel_for(w.panels.count() * w.in.count(), [&](int64_t item, int) {
    const int64_t p = item / w.in.count(), block = item % w.in.count();
    const int64_t width = w.panels.blocks(p) * kBlock, o0 = w.panels.first_block(p) * kBlock;
    float* panel = w.winograd.floats() + o0 * k + block * kBlock * width;
    double g[9][kMaxPanel];
    float u[kPositions][kMaxPanel];
    for (int64_t i = 0; i < kBlock; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const bool real = o0 + j < w.geometry.out_channels && i < w.in.real(block);
        const float* source = weight + ((o0 + j) * w.in.in_channels + w.in.first(block) + i) * 9;
        for (int k9 = 0; k9 < 9; ++k9) g[k9][j] = real ? source[k9] * scale : 0;
      }
      transform_filters(g, width, u);
      for (int64_t x = 0; x < kPositions; ++x) std::copy_n(u[x], width, panel + x * position_stride + i * width);
    }
  });
  return Status();
}

void conv2d_winograd(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y) {
  const int64_t tiles_w = ceil_div(y.w, 4), tiles_h = ceil_div(y.h, 4);
  // A block of tile_rows x tile_cols tiles, as even as the picture allows.
  const int64_t tile_cols = ceil_div(tiles_w, ceil_div(tiles_w, kTiles));
  const int64_t tile_rows = std::clamp<int64_t>(kTiles / tile_cols, 1, tiles_h);
  const int64_t blocks_x = ceil_div(tiles_w, tile_cols), blocks_y = ceil_div(tiles_h, tile_rows);
  const int64_t block_tiles = tile_rows * tile_cols;
  const int64_t in_blocks = w.in.count(), out_blocks = w.panels.out_blocks;
  const int64_t k = in_blocks * kBlock, outs = out_blocks * kBlock;

  // 16 floats more than a power of two apart, so that the 36 planes do not fall into the same cache sets.
  const int64_t v_stride = block_tiles * k + kBlock, m_stride = block_tiles * outs + kBlock;
  const int64_t region_cols = 4 * tile_cols + 2;
  const int64_t region_floats = 6 * region_cols * kBlock, out_cols = 4 * tile_cols;
  const int64_t out_floats = 4 * out_cols * kBlock;
  const int64_t pointer_floats = ceil_div(in_blocks * 2, kBlock) * kBlock;
  const int64_t thread_floats = kPositions * (v_stride + m_stride) + region_floats + out_floats + pointer_floats;
  Workspace::Handle handle;
  float* scratch = exec.ws.take(static_cast<size_t>(thread_floats * exec.pool.size()), &handle);
  if (!exec.dry()) {
    const RegionSource source{w.isa, &w.in, &in, w.geometry.pad_mode, w.geometry.upsample, false};
    const IsaKernels& isa = *w.isa;
    exec.pool.parallel_for(y.n * blocks_x * blocks_y, [&](int64_t item, int thread) {
      const int64_t n = item / (blocks_x * blocks_y), at = item % (blocks_x * blocks_y);
      const int64_t ty0 = at / blocks_x * tile_rows, tx0 = at % blocks_x * tile_cols;
      const int64_t trows = std::min(tile_rows, tiles_h - ty0), tcols = std::min(tile_cols, tiles_w - tx0);
      const int64_t tiles = trows * tcols;
      float* v = scratch + thread * thread_floats;
      float* m = v + kPositions * v_stride;
      float* region = m + kPositions * m_stride;
      float* out = region + region_floats;
      auto pointers = reinterpret_cast<const float**>(out + out_floats);

      // V[xi][block][tile][16]
      for (int64_t b = 0; b < in_blocks; ++b)
        for (int64_t r = 0; r < trows; ++r) {
          source.pack(n, b, 1, (ty0 + r) * 4 - 1, tx0 * 4 - 1, 6, 4 * tcols + 2, region, nullptr);
          isa.winograd_input(region, 4 * tcols + 2, tcols, v + (b * tiles + r * tcols) * kBlock, v_stride);
        }
      // M[xi][out block][tile][16]
      for (int64_t xi = 0; xi < kPositions; ++xi)
        for (int64_t p = 0; p < w.panels.count(); ++p) {
          const int64_t blocks = w.panels.blocks(p), first = w.panels.first_block(p);
          const float* u = w.winograd.floats() + xi * k * outs + first * kBlock * k;
          const int64_t groups = ceil_div(tiles, isa.max_rows);
          for (int64_t g = 0; g < groups; ++g) {
            const int64_t t = g * tiles / groups, next = (g + 1) * tiles / groups;
            for (int64_t b = 0; b < in_blocks; ++b) pointers[b] = v + xi * v_stride + (b * tiles + t) * kBlock;
            isa.gemm(static_cast<int>(next - t), 1, blocks * kBlock == isa.panel, pointers, in_blocks,
                     static_cast<int>(kBlock), u, m + xi * m_stride + (first * tiles + t) * kBlock, tiles * kBlock,
                     false);
          }
        }
      const int64_t cols = std::min(4 * tcols, y.w - tx0 * 4);
      for (int64_t b = 0; b < out_blocks; ++b)
        for (int64_t r = 0; r < trows; ++r) {
          isa.winograd_output(m + (b * tiles + r * tcols) * kBlock, m_stride, tcols, out, out_cols);
          const int64_t rows = std::min<int64_t>(4, y.h - (ty0 + r) * 4);
          for (int64_t i = 0; i < rows; ++i)
            store_epilogue(isa, w.bias, ep, out + i * out_cols * kBlock, cols, n, b, (ty0 + r) * 4 + i, tx0 * 4, y);
        }
    });
  }
  exec.ws.give_back(handle);
}

}  // namespace gpen
