#include "kernels/transform_gemm.h"

namespace gpen {

namespace {

constexpr int kWinogradFirst[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18,
                                  19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36};
// Single taps in both directions; in the row direction; in the column direction; in neither.
constexpr int kNestedFirst[] = {0,  9,  12, 15, 18, 21, 24, 27, 30, 33, 34, 35, 36,
                                37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49};

// Entries of 16 channels whose weights of one panel (16 KB; AVX-512: 32 KB) stay in the nearest cache while all tiles
// pass.
constexpr int64_t kEntries = 16;
// Weights beyond this, counted in fp32, are shared by all threads' tiles.
constexpr int64_t kPrivateWeightBytes = int64_t{8} << 20;
// V and M of a shared block.
constexpr int64_t kSharedBytes = int64_t{32} << 20;

}  // namespace

const TransformScheme kWinograd4x4 = {36, 36, kWinogradFirst};
const TransformScheme kNested3x2 = {49, 25, kNestedFirst};

Status pack_transformed(TransformWeights& out, const TransformScheme& scheme, FilterTransform transform,
                        const Panels& panels, const InputBlocks& in, const float* weight, int64_t outs, double scale,
                        ThreadPool& pool) {
  constexpr int kMostMatrices = 36;
  const int64_t rows = weight_rows(kBlock, out.precision);  // of a block
  const int64_t matrix_floats = in.count() * rows * panels.out_blocks * kBlock;
  const size_t bytes = static_cast<size_t>(scheme.matrices * matrix_floats) * sizeof(float);
  out.scheme = &scheme;
  out.u = AlignedBuffer(bytes);
  if (out.u.data() == nullptr) return fail(Code::memory, "cannot allocate ", bytes, " bytes of packed weights");
  pool.parallel_for(panels.count() * in.count(), [&](int64_t item, int) {
    const int64_t p = item / in.count(), block = item % in.count();
    const int64_t width = panels.blocks(p) * kBlock, o0 = panels.first_block(p) * kBlock;
    float* panel = out.u.floats() + (o0 * in.count() + block * width) * rows;
    const int64_t pair = kBlock / rows;
    double g[9][kMaxPanel];
    float u[2][kMostMatrices][kMaxPanel];
    for (int64_t i = 0; i < kBlock; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const bool real = o0 + j < outs && i < in.real(block);
        const float* source = weight + ((o0 + j) * in.in_channels + in.first(block) + i) * 9;
        for (int t = 0; t < 9; ++t) g[t][j] = real ? source[t] * scale : 0;
      }
      transform(g, width, u[i % pair]);
      if (i % pair + 1 < pair) continue;
      for (int m = 0; m < scheme.matrices; ++m) {
        float* row = panel + m * matrix_floats + i / pair * width;
        if (pair == 2)
          pack_pair(u[0][m], u[1][m], width, row);
        else
          std::copy_n(u[0][m], width, row);
      }
    }
  });
  return Status();
}

TransformSchedule plan_transform(const TransformScheme& scheme, const IsaKernels& isa, int64_t in_blocks,
                                 int64_t out_blocks, int64_t tiles, int threads) {
  TransformSchedule s;
  const int64_t k = in_blocks * kBlock, outs = out_blocks * kBlock;
  // About thirty tiles in whole passes of the micro-kernel.
  const int64_t private_tiles = std::max(1, 30 / isa.max_rows) * isa.max_rows;
  const bool few = threads > 1 && ceil_div(tiles, private_tiles) < 2 * threads;
  s.shared = few || scheme.matrices * k * outs * 4 > kPrivateWeightBytes;
  if (s.shared) {
    const int64_t most = std::max<int64_t>(kSharedBytes / (scheme.planes * (k + outs) * 4), 4 * isa.max_rows);
    s.block_tiles = ceil_div(tiles, ceil_div(tiles, most));
  } else {
    s.block_tiles = std::min(tiles, private_tiles);
  }
  // 16 floats more than a power of two apart, so that the planes do not fall into the same cache sets.
  s.v_stride = s.block_tiles * k + kBlock;
  s.m_stride = s.block_tiles * outs + kBlock;
  s.block_floats = scheme.planes * (s.v_stride + s.m_stride);
  s.pointer_floats = ceil_div(in_blocks * 2, kBlock) * kBlock;
  s.floats = (s.shared ? 1 : threads) * s.block_floats + threads * s.pointer_floats;
  return s;
}

// The order chunk, plane, panel, tiles: a plane's chunk of V stays in the cache for all panels, a panel's chunk of U
// for all tiles.
void TransformGemm::multiply(int matrix, int64_t panel0, int64_t panel1, int64_t tiles, const float* v, float* m,
                             const float** pointers) const {
  const int64_t rows = weight_rows(kBlock, weights.precision), groups = ceil_div(tiles, isa.max_rows);
  const float* u = weights.u.floats() + matrix * in_blocks * rows * panels.out_blocks * kBlock;
  const auto gemm = micro_kernel(isa, weights.precision);
  const int plane0 = weights.scheme->first_plane[matrix], plane1 = weights.scheme->first_plane[matrix + 1];
  for (int64_t e0 = 0; e0 < in_blocks; e0 += kEntries) {
    const int64_t entries = std::min(kEntries, in_blocks - e0);
    for (int plane = plane0; plane < plane1; ++plane) {
      const float* v_chunk = v + plane * schedule.v_stride + e0 * tiles * kBlock;
      for (int64_t p = panel0; p < panel1; ++p) {
        const int64_t blocks = panels.blocks(p), first = panels.first_block(p);
        const float* b = u + (first * in_blocks + e0 * blocks) * rows * kBlock;
        for (int64_t g = 0; g < groups; ++g) {
          const int64_t t = g * tiles / groups, next = (g + 1) * tiles / groups;
          for (int64_t e = 0; e < entries; ++e) pointers[e] = v_chunk + (e * tiles + t) * kBlock;
          gemm(static_cast<int>(next - t), 1, blocks * kBlock == isa.panel, pointers, entries, static_cast<int>(kBlock),
               b, m + plane * schedule.m_stride + (first * tiles + t) * kBlock, tiles * kBlock, e0 > 0);
        }
      }
    }
  }
}

}  // namespace gpen
