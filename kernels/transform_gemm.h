// The multiplications of every transformed convolution: Winograd F(4x4,3x3) and nested F(3,2).
//
// The input of a tile becomes `planes` numbers per channel (V), each plane is multiplied by a weight matrix over all
// channels (U), and the products (M) become the tile's outputs. Several planes may share a matrix: a single tap of the
// nested transform multiplies nine positions of a tile by the same weights.
#pragma once
#include <algorithm>

#include "kernels/conv2d_impl.h"

namespace gpen {

struct TransformScheme {
  int planes, matrices;
  const int* first_plane;  // of every matrix, and `planes` at the end
};
extern const TransformScheme kWinograd4x4;  // 36 planes, each with its own matrix
extern const TransformScheme kNested3x2;    // 49 planes, 25 matrices; the order of isa_body_winograd.h

// Transforms the 3x3 kernels g[9][width] of `width` output channels in double: u[matrix][kMaxPanel].
using FilterTransform = void (*)(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]);
void winograd4x4_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]);
void nested_up_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]);
void nested_down_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]);

// weight: OIHW with a 3x3 kernel, times scale.
Status pack_transformed(TransformWeights& out, const TransformScheme& scheme, FilterTransform transform,
                        const Panels& panels, const InputBlocks& in, const float* weight, int64_t outs, double scale,
                        ThreadPool& pool);

// How a number of tiles is worked through. Small weights: every thread takes blocks of tiles through all three steps
// alone, V and M stay near its own cache. Large weights, or too few tiles to give every thread some: all threads share
// each step of one large block, and the weights come from memory once for many tiles. Neither changes a bit of the
// result.
struct TransformSchedule {
  bool shared = false;
  int64_t block_tiles = 0;  // tiles of a block
  int64_t v_stride = 0, m_stride = 0;
  int64_t block_floats = 0, pointer_floats = 0;  // V and M of a block; a thread's pointers
  int64_t floats = 0;                            // all of it, for all threads
};
TransformSchedule plan_transform(const TransformScheme& scheme, const IsaKernels& isa, int64_t in_blocks,
                                 int64_t out_blocks, int64_t tiles, int threads);

// Tiles of one call of the input or output functor at most.
constexpr int64_t kSegmentTiles = 32;

struct TransformGemm {
  const IsaKernels& isa;
  const TransformWeights& weights;
  const Panels& panels;
  int64_t in_blocks;
  TransformSchedule schedule;
  float* scratch;  // schedule.floats

  // M = V x U for the matrices' panels [panel0, panel1), `tiles` tiles.
  void multiply(int matrix, int64_t panel0, int64_t panel1, int64_t tiles, const float* v, float* m,
                const float** pointers) const;

  // input(thread, block, t0, count, v, v_stride): V of tiles [t0, t0+count) of an input block, plane p at
  // v + p*v_stride, 16 floats a tile. output(thread, block, t0, count, m, m_stride) likewise, from M.
  template <class Input, class Output>
  void run(ThreadPool& pool, int64_t tiles, Input&& input, Output&& output) const;

 private:
  float* m_of(float* v) const { return v + weights.scheme->planes * schedule.v_stride; }
  template <class Input, class Output>
  void run_block(ThreadPool& pool, int64_t t0, int64_t count, Input& input, Output& output) const;
};

template <class Input, class Output>
void TransformGemm::run_block(ThreadPool& pool, int64_t t0, int64_t count, Input& input, Output& output) const {
  float *v = scratch, *m = m_of(v);
  const int64_t segments = ceil_div(count, kSegmentTiles);
  auto segment = [&](int64_t s) { return s * count / segments; };
  pool.parallel_for(in_blocks * segments, [&](int64_t item, int thread) {
    const int64_t b = item / segments, s = item % segments, at = segment(s);
    input(thread, b, t0 + at, segment(s + 1) - at, v + (b * count + at) * kBlock, schedule.v_stride);
  });
  const int64_t panels_at_once = std::min<int64_t>(8, ceil_div(panels.count(), 2));
  const int64_t splits = ceil_div(panels.count(), panels_at_once);
  pool.parallel_for(weights.scheme->matrices * splits, [&](int64_t item, int thread) {
    const int64_t p0 = item % splits * panels_at_once, p1 = std::min(p0 + panels_at_once, panels.count());
    float* pointers = scratch + schedule.block_floats + thread * schedule.pointer_floats;
    multiply(static_cast<int>(item / splits), p0, p1, count, v, m, reinterpret_cast<const float**>(pointers));
  });
  pool.parallel_for(panels.out_blocks * segments, [&](int64_t item, int thread) {
    const int64_t b = item / segments, s = item % segments, at = segment(s);
    output(thread, b, t0 + at, segment(s + 1) - at, m + (b * count + at) * kBlock, schedule.m_stride);
  });
}

template <class Input, class Output>
void TransformGemm::run(ThreadPool& pool, int64_t tiles, Input&& input, Output&& output) const {
  const int64_t blocks = ceil_div(tiles, schedule.block_tiles);
  auto first = [&](int64_t block) { return std::min(block * schedule.block_tiles, tiles); };
  if (schedule.shared) {
    for (int64_t i = 0; i < blocks; ++i) run_block(pool, first(i), first(i + 1) - first(i), input, output);
    return;
  }
  pool.parallel_for(blocks, [&](int64_t item, int thread) {
    const int64_t t0 = first(item), count = first(item + 1) - t0;
    float* v = scratch + thread * (schedule.block_floats + schedule.pointer_floats);
    float* m = m_of(v);
    auto pointers = reinterpret_cast<const float**>(v + schedule.block_floats);
    for (int64_t b = 0; b < in_blocks; ++b) input(thread, b, t0, count, v + b * count * kBlock, schedule.v_stride);
    for (int matrix = 0; matrix < weights.scheme->matrices; ++matrix)
      multiply(matrix, 0, panels.count(), count, v, m, pointers);
    for (int64_t b = 0; b < panels.out_blocks; ++b)
      output(thread, b, t0, count, m + b * count * kBlock, schedule.m_stride);
  });
}

// Tiles in reading order over rows of `columns` tiles: calls fn(row, first column, count, offset from t0) for the runs
// of [t0, t0+count).
template <class Fn>
void for_tile_runs(int64_t columns, int64_t t0, int64_t count, Fn&& fn) {
  for (int64_t done = 0; done < count;) {
    const int64_t row = (t0 + done) / columns, col = (t0 + done) % columns;
    const int64_t run = std::min({columns - col, count - done, kSegmentTiles});
    fn(row, col, run, done);
    done += run;
  }
}

// Runs an output transform for tiles of Side x Side outputs straight into y, or, where the picture ends inside a tile,
// into `spare` (Side rows of Side*tiles pixels) and from there.
template <int Side, class Transform>
void write_tiles(Transform transform, const IsaKernels& isa, const OutputBlock& to, const float* m, int64_t m_stride,
                 int64_t tiles, int64_t rows_left, int64_t cols_left, float* spare) {
  const int64_t cols = Side * tiles;
  if (rows_left >= Side && cols_left >= cols) return transform(to.epilogue, m, m_stride, tiles, to.rows);
  transform(Epilogue{nullptr, nullptr, 1, 1, 1, 1}, m, m_stride, tiles, {spare, cols * kBlock, nullptr, nullptr});
  for (int64_t i = 0; i < std::min<int64_t>(Side, rows_left); ++i) {
    const int64_t at = i * to.rows.stride;
    const OutputRows row{to.rows.y + at, 0, to.rows.residual != nullptr ? to.rows.residual + at : nullptr,
                         to.rows.residual2 != nullptr ? to.rows.residual2 + at : nullptr};
    isa.store(to.epilogue, spare + i * cols * kBlock, std::min(cols, cols_left), row);
  }
}

}  // namespace gpen
