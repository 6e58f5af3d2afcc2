// Inside conv2d and upconv2d: packed weights, and the pieces both drivers share.
#pragma once
#include <algorithm>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/gpu_weights.h"
#include "kernels/isa_kernels.h"

namespace gpen {

// The input channels in blocks of 16, x first, then the feature; each part is rounded up to whole blocks.
struct InputBlocks {
  int64_t x_blocks = 0, feature_blocks = 0;
  int64_t x_channels = 0, in_channels = 0;
  int channels_per_block = 16;  // fewer only when a single block holds everything (RGB)
  int64_t count() const { return x_blocks + feature_blocks; }
  // First input channel of a block and how many are real.
  int64_t first(int64_t block) const {
    return block < x_blocks ? block * kBlock : x_channels + (block - x_blocks) * kBlock;
  }
  int64_t real(int64_t block) const {
    const int64_t end = block < x_blocks ? x_channels : in_channels;
    return std::min<int64_t>(kBlock, end - first(block));
  }
};
InputBlocks input_blocks(int64_t in_channels, int64_t split);

constexpr int64_t kMaxPanel = 32;  // output channels of a panel at most

// Output channels in panels of the instruction set's width: `wide` ones first, one narrow one (16) if a block is left.
struct Panels {
  int64_t out_blocks = 0;
  int blocks_per_panel = 1;
  int64_t count() const { return ceil_div(out_blocks, blocks_per_panel); }
  int64_t first_block(int64_t p) const { return p * blocks_per_panel; }
  int64_t blocks(int64_t p) const { return std::min<int64_t>(blocks_per_panel, out_blocks - first_block(p)); }
};

// One tap set of a direct convolution over a packed region: taps in the order of the packed weights.
struct Tap {
  int dy, dx;  // offset in the packed region
  int ky, kx;  // position in the kernel
};

// Packed weights are a sequence of rows: one input channel, or in bf16 a pair of them in words, of a panel's 16 or 32
// output channels. count input channels are this many rows.
inline int64_t weight_rows(int64_t channels, Precision precision) {
  return precision == Precision::bf16 ? channels / 2 : channels;
}
// Two rows of `width` weights become one of words.
void pack_pair(const float* even, const float* odd, int64_t width, float* words);

// The micro-kernel of a precision.
inline auto micro_kernel(const IsaKernels& isa, Precision precision) {
  return precision == Precision::bf16 ? isa.gemm_bf16 : isa.gemm;
}

// Weights of a direct (sub-)convolution: [panel][input block][tap][rows of a block][16 * blocks of the panel].
struct DirectWeights {
  std::vector<Tap> taps;
  Precision precision = Precision::fp32;
  AlignedBuffer data;
  const float* panel(const Panels& panels, const InputBlocks& in, int64_t p) const {
    return data.floats() + panels.first_block(p) * kBlock * in.count() * static_cast<int64_t>(taps.size()) *
                               weight_rows(in.channels_per_block, precision);
  }
};
// weight(o, i, ky, kx) is OIHW with kernel kh x kw, times scale. out.taps and out.precision are given.
Status pack_direct(DirectWeights& out, const Panels& panels, const InputBlocks& in, const float* weight, int64_t outs,
                   int kh, int kw, double scale, ThreadPool& pool);

// U[matrix][panel][rows of all input channels][16 * blocks of the panel] of a transformed convolution
// (transform_gemm.h).
struct TransformScheme;
struct TransformWeights {
  const TransformScheme* scheme = nullptr;
  Precision precision = Precision::fp32;
  AlignedBuffer u;
};

struct Conv2dWeights::Impl {
  ConvGeometry geometry;
  ConvAlgorithm algorithm = ConvAlgorithm::direct;
  const IsaKernels* isa = nullptr;
  InputBlocks in;
  Panels panels;
  DirectWeights direct;
  TransformWeights transformed;
  std::vector<float> bias;  // rounded up to 16, or empty
  GpuConvWeights gpu;       // on a device: instead of all of these but the geometry
};

// Packs blocks [first, first+count) of the region rows x cols at (y0, x0) of image n: dst[block][rows][cols][16].
struct RegionSource {
  const IsaKernels* isa;
  const InputBlocks* blocks;
  const ConvInput* in;
  PadMode pad_mode = PadMode::zero;
  int upsample = 1;
  bool blur = false;  // the region is of the blurred picture: 3 more rows and columns are read
  bool bf16 = false;  // for the bf16 micro-kernel
  // One block of the region, to be packed or transformed.
  PackBlock region(int64_t n, int64_t block, int64_t y0, int64_t x0, int64_t rows, int64_t cols) const;
  void pack(int64_t n, int64_t first, int64_t count, int64_t y0, int64_t x0, int64_t rows, int64_t cols, float* dst,
            float* raw) const;
  // Floats of `raw` that pack() needs for such a region.
  static int64_t raw_floats(bool blur, int64_t rows, int64_t cols) {
    return blur ? (rows + 3) * (cols + 3) * kBlock + (cols + 3) * kBlock : 0;
  }
};

// c[block - first block of the panel range][row][col][16] (+)= the taps over a packed chunk.
struct TileGemm {
  const IsaKernels* isa;
  const DirectWeights* weights;
  const Panels* panels;
  const InputBlocks* in;
  int step;  // stride of the convolution
  // chunk: packed blocks [k0, k0+kc) as [kc][region_rows][region_cols][16]; pointers: scratch for kc * taps pointers;
  // c: row r, column x of output block b at c + ((b - first)*c_plane + r*c_cols + x)*16.
  void run(const float* chunk, int64_t k0, int64_t kc, int64_t region_rows, int64_t region_cols, int64_t rows,
           int64_t cols, int64_t panel0, int64_t panel1, const float** pointers, float* c, int64_t c_plane,
           int64_t c_cols) const;
};

// Panels of one work item such that its sums stay within a cache-friendly size and all threads have work.
int64_t panels_per_item(const Panels& panels, int64_t pixels, int64_t items, int threads, int phases);

void conv2d_direct(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);
void conv2d_winograd(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y);
void conv2d_nested(Exec& exec, const Conv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep, TensorView y);

// Where output block b of image n goes from (row, col) on, and what is done to its sums.
struct OutputBlock {
  Epilogue epilogue;
  OutputRows rows;
};
OutputBlock output_block(const std::vector<float>& bias, const ConvEpilogue& ep, const TensorView& y, int64_t n,
                         int64_t b, int64_t row, int64_t col);
// Applies the epilogue to a run of `pixels` sums of output block b at (row, col) of image n.
void store_epilogue(const IsaKernels& isa, const std::vector<float>& bias, const ConvEpilogue& ep, const float* acc,
                    int64_t pixels, int64_t n, int64_t b, int64_t row, int64_t col, const TensorView& y);

}  // namespace gpen
