// The vector kernels of one instruction set: the algorithm is written once in isa_body.h, compiled once per instruction
// set (isa_avx512_bf16.cpp, isa_avx512.cpp, isa_avx2.cpp, isa_generic.cpp) and reached through this table. All pointers
// are to floats in blocks of 16 channels ("a pixel" = 16 consecutive floats); nothing here allocates, checks or knows a
// network.
#pragma once
#include <cstdint>

namespace gpen {

// One 16-channel block of an input region, with the prologue of conv2d.h applied: dst[rows][cols][16].
struct PackBlock {
  const float* src;  // [h][w][16]; with stem_weight: [h][w][4], see RgbStem in conv2d.h
  int64_t h, w;      // of src
  int64_t y0, x0;    // top left of the region in the (enlarged) picture, may be negative
  int64_t rows, cols;
  float* dst;
  bool reflect;        // outside the picture: reflected, or zero
  int shift;           // 0, or 1: the picture is src enlarged twice (nearest)
  const float* scale;  // 16 factors, or null
  const float* bias;   // 16 values: the feature half, lrelu(v*feature_gain + bias, .2)*sqrt2; null: plain
  float feature_gain;
  const float* stem_weight;  // [4][16], or null
  bool bf16;                 // dst for gemm_bf16
};

// A run of pixels of to_rgb.h: x[b] points to the first pixel of block b (unused where the stem computes the feature).
struct RgbRun {
  const float* const* x;
  int64_t x_blocks, blocks;
  const float* weight;        // [blocks][3][16], modulated, the feature's with its sqrt2
  const float* feature_bias;  // [blocks - x_blocks][16]
  float feature_gain;
  const float* stem_pixels;  // [pixels][4]
  const float* stem_weight;  // [blocks - x_blocks][4][16], or null
};

// What happens to a run of finished sums of one 16-channel block (conv2d.h, formulas at the top).
struct Epilogue {
  const float* out_scale;  // 16 factors, or null
  const float* bias;       // 16 values, or null
  float slope, gain;
  float residual_slope, gain2;
};

// Where finished sums go: rows of pixels `stride` floats apart; the residuals are null or lie like y.
struct OutputRows {
  float* y;
  int64_t stride;
  const float* residual;
  const float* residual2;
};

struct IsaKernels {
  const char* name;
  int panel;          // output channels of a full weight panel: 32 or 16
  int max_rows;       // pixels of one micro-kernel call
  int chunk_entries;  // direct convolution: 16-channel entries (block and tap) whose weights are worked on at a time

  // The micro-kernel. rows pixels x (wide ? panel : 16) output channels:
  //   c[r] (+)= sum over e < entries, k < channels of a[e][r*step*16 + k] * b[e*channels + k][panel]
  // c: pixel r of the first 16 channels at c + 16*r, of the next 16 at c + c_stride + 16*r. step is 1 or 2.
  void (*gemm)(int rows, int step, bool wide, const float* const* a, int64_t entries, int channels, const float* b,
               float* c, int64_t c_stride, bool accumulate);
  // The same in bf16: channels is 16; b holds words of two rounded channels, [e*8 + k/2][panel]; a comes from pack(),
  // winograd_input() nested_up_input() or nested_down_input() with bf16, in a form of the table's own.
  void (*gemm_bf16)(int rows, int step, bool wide, const float* const* a, int64_t entries, int channels, const float* b,
                    float* c, int64_t c_stride, bool accumulate);
  void (*pack)(const PackBlock&);
  // [1,3,3,1]x[1,3,3,1]/64 blur of one block: src[rows][cols] -> dst[rows-3][cols-3]; tmp: cols pixels.
  void (*blur)(const float* src, int64_t rows, int64_t cols, float* tmp, float* dst);
  // One row: y[i] = epilogue(acc[i]) for i < pixels.
  void (*store)(const Epilogue&, const float* acc, int64_t pixels, const OutputRows& to);
  // One output row of StyleGAN2's upsampling blur (taps [1,3,3,1]/4 in each direction): rows[0..3] are four consecutive
  // rows of the transposed convolution, or null where outside; each holds 2W+1 = pixels+1 pixels; y gets `pixels`.
  // tmp: pixels + 3 pixels.
  void (*upsample_blur_row)(const Epilogue&, const float* const rows[4], int64_t pixels, float* tmp, float* y);
  // Winograd F(4x4,3x3): plane xi of V for `tiles` tiles at v + xi*v_stride + 16*tile, from the region of 6 rows and
  // 4*tiles + 2 columns that job describes (dst is not used). scratch: 12 rows of job.cols pixels.
  void (*winograd_input)(const PackBlock& job, int64_t tiles, float* scratch, float* v, int64_t v_stride);
  // Four rows of 4*tiles pixels from M.
  void (*winograd_output)(const Epilogue&, const float* m, int64_t m_stride, int64_t tiles, const OutputRows& to);
  // Nested F(3,2) (isa_body_winograd.h), 49 planes. Up: from a region of 4 rows and 3*tiles + 1 columns; scratch: 11
  // rows. Down: from a region of 7 rows packed without bf16 and 6*tiles + 1 columns.
  void (*nested_up_input)(const PackBlock& job, int64_t tiles, float* scratch, float* v, int64_t v_stride);
  void (*nested_down_input)(const float* region, int64_t region_cols, int64_t tiles, bool bf16, float* v,
                            int64_t v_stride);
  // Six rows of 6*tiles pixels of the transposed convolution.
  void (*nested_up_output)(const float* m, int64_t m_stride, int64_t tiles, float* const rows[6]);
  // Three rows of 3*tiles pixels of the stride-2 convolution.
  void (*nested_down_output)(const Epilogue&, const float* m, int64_t m_stride, int64_t tiles, const OutputRows& to);
  // y[n][o] = sum over k of x[n][k] * w[o/16][k][o%16] for `outputs` (a multiple of 16) outputs of `count` vectors.
  void (*linear)(const float* w, int64_t inputs, int64_t outputs, const float* x, int64_t x_stride, int64_t count,
                 float* y, int64_t y_stride);
  // rgb[c][i] += sum over blocks and channels of value * weight[block][c][16], where value is x[block][i] for the first
  // x_blocks and lrelu(x*feature_gain + feature_bias, .2) for the others. rgb is planar.
  void (*to_rgb)(const RgbRun& run, int64_t pixels, float* rgb, int64_t rgb_plane);
  // For the benchmarks: a register-only loop of fused multiply-adds; returns the floating-point operations done.
  double (*fma_peak)(int64_t iterations);
};

const IsaKernels* isa_avx512_bf16();  // null when not compiled in
const IsaKernels* isa_avx512();
const IsaKernels* isa_avx2();
const IsaKernels* isa_generic();  // NEON on aarch64, SSE2 on x86-64, plain vectors elsewhere

}  // namespace gpen
