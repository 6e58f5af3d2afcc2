#include "kernels/conv2d.h"

#include <algorithm>
#include <cassert>

#include "kernels/conv2d_impl.h"
#include "kernels/gpu_kernels.h"
#include "kernels/isa.h"
#include "kernels/to_rgb.h"
#include "kernels/transform_gemm.h"
#include "runtime/bfloat16.h"

namespace gpen {

const char* name_of(ConvAlgorithm a) {
  switch (a) {
    case ConvAlgorithm::automatic:
      return "automatic";
    case ConvAlgorithm::direct:
      return "direct";
    case ConvAlgorithm::winograd4x4:
      return "winograd4x4";
    case ConvAlgorithm::nested3x2:
      return "nested3x2";
  }
  return "?";
}

void pack_pair(const float* even, const float* odd, int64_t width, float* words) {
  for (int64_t j = 0; j < width; ++j)
    words[j] = std::bit_cast<float>(uint32_t{float_to_bfloat16(even[j])} | uint32_t{float_to_bfloat16(odd[j])} << 16);
}

InputBlocks input_blocks(int64_t in_channels, int64_t split) {
  InputBlocks b;
  b.in_channels = in_channels;
  b.x_channels = split > 0 ? split : in_channels;
  b.x_blocks = ceil_div(b.x_channels, kBlock);
  b.feature_blocks = ceil_div(in_channels - b.x_channels, kBlock);
  b.channels_per_block = b.count() == 1 ? static_cast<int>(in_channels) : static_cast<int>(kBlock);
  return b;
}

Status pack_direct(DirectWeights& out, const Panels& panels, const InputBlocks& in, const float* weight, int64_t outs,
                   int kh, int kw, double scale, ThreadPool& pool) {
  const int64_t taps = static_cast<int64_t>(out.taps.size());
  const int64_t rows = weight_rows(in.channels_per_block, out.precision);
  const int64_t floats = panels.out_blocks * kBlock * in.count() * taps * rows;
  out.data = AlignedBuffer(static_cast<size_t>(floats) * sizeof(float));
  if (out.data.data() == nullptr) return fail(Code::memory, "cannot allocate ", floats * 4, " bytes of packed weights");
  // One work item per panel and input block.
  pool.parallel_for(panels.count() * in.count(), [&](int64_t item, int) {
    const int64_t p = item / in.count(), block = item % in.count();
    const int64_t width = panels.blocks(p) * kBlock, o0 = panels.first_block(p) * kBlock;
    float* d = out.data.floats() + o0 * in.count() * taps * rows + block * taps * rows * width;
    float row[kBlock][kMaxPanel];
    for (const Tap& t : out.taps) {
      for (int64_t k = 0; k < in.channels_per_block; ++k)
        for (int64_t j = 0; j < width; ++j) {
          const int64_t o = o0 + j, i = in.first(block) + k;
          const bool real = o < outs && k < in.real(block);
          row[k][j] =
              real ? static_cast<float>(weight[((o * in.in_channels + i) * kh + t.ky) * kw + t.kx] * scale) : 0.f;
        }
      for (int64_t k = 0; k < rows; ++k, d += width) {
        if (out.precision == Precision::bf16)
          pack_pair(row[2 * k], row[2 * k + 1], width, d);
        else
          std::copy_n(row[k], width, d);
      }
    }
  });
  return Status();
}

namespace {

bool winograd_fits(const ConvGeometry& g) {
  return g.kernel_h == 3 && g.kernel_w == 3 && g.stride == 1 && g.pad == 1 && g.blur_pad == 0;
}

bool nested_fits(const ConvGeometry& g) {
  return g.kernel_h == 3 && g.kernel_w == 3 && g.stride == 2 && g.upsample == 1;
}

// Below 32 channels on either side the transforms cost more than the multiplications they save.
ConvAlgorithm fastest(const ConvGeometry& g) {
  if (g.in_channels < 32 || g.out_channels < 32) return ConvAlgorithm::direct;
  if (winograd_fits(g)) return ConvAlgorithm::winograd4x4;
  return nested_fits(g) ? ConvAlgorithm::nested3x2 : ConvAlgorithm::direct;
}

}  // namespace

Conv2dWeights::Conv2dWeights() = default;
Conv2dWeights::~Conv2dWeights() = default;
Conv2dWeights::Conv2dWeights(Conv2dWeights&&) noexcept = default;
Conv2dWeights& Conv2dWeights::operator=(Conv2dWeights&&) noexcept = default;

Result<Conv2dWeights> Conv2dWeights::pack(const ConvGeometry& g, const float* weight, double scale,
                                          const std::vector<float>& bias, const Placement& at, ConvAlgorithm algorithm,
                                          int64_t split, Precision precision) {
  if (g.in_channels < 1 || g.out_channels < 1 || g.kernel_h < 1 || g.kernel_w < 1)
    return fail(Code::usage, "conv2d: empty geometry");
  if (g.stride != 1 && g.stride != 2) return fail(Code::usage, "conv2d: stride ", g.stride, " is not 1 or 2");
  if (g.upsample != 1 && g.upsample != 2) return fail(Code::usage, "conv2d: upsample ", g.upsample, " is not 1 or 2");
  if (g.blur_pad > 0 && (g.pad != 0 || g.upsample != 1 || g.pad_mode != PadMode::zero))
    return fail(Code::usage, "conv2d: a blurred convolution has pad 0, no enlargement and zero padding");
  if (!bias.empty() && static_cast<int64_t>(bias.size()) != g.out_channels)
    return fail(Code::usage, "conv2d: bias has ", bias.size(), " entries, the output has ", g.out_channels,
                " channels");
  if (split < 0 || split > g.in_channels) return fail(Code::usage, "conv2d: split ", split, " of ", g.in_channels);
  if (algorithm == ConvAlgorithm::winograd4x4 && !winograd_fits(g))
    return fail(Code::usage, "conv2d: winograd4x4 needs a 3x3 kernel, stride 1, pad 1 and no blur");
  if (algorithm == ConvAlgorithm::nested3x2 && !nested_fits(g))
    return fail(Code::usage, "conv2d: nested3x2 needs a 3x3 kernel, stride 2 and no enlargement");
  Conv2dWeights result;
  result.impl_ = std::make_unique<Impl>();
  Impl& w = *result.impl_;
  w.geometry = g;
  if (at.device != nullptr) {
    if (algorithm != ConvAlgorithm::automatic && algorithm != ConvAlgorithm::direct)
      return fail(Code::usage, "conv2d: ", name_of(algorithm), " is for the processor");
    if (g.blur_pad > 0 && split > 0 && split < g.in_channels)
      return fail(Code::usage, "conv2d: on a device a blurred convolution has no feature half");
    w.in = input_blocks(g.in_channels, split);
    GPEN_ASSIGN(w.gpu, GpuConvWeights::pack(g.in_channels, g.out_channels, g.kernel_h, g.kernel_w, weight, scale, bias,
                                            at, split, precision));
    return result;
  }
  ThreadPool& pool = at.pool;
  if (precision != Precision::fp32 && precision != Precision::bf16)
    return fail(Code::usage, "conv2d: the processor does not compute in ", name_of(precision));
  if (precision == Precision::bf16 && g.blur_pad > 0)
    return fail(Code::usage, "conv2d: a blurred convolution is computed in fp32");
  if (algorithm == ConvAlgorithm::automatic) algorithm = fastest(g);
  w.algorithm = algorithm;
  w.isa = &isa_kernels();
  w.in = input_blocks(g.in_channels, split);
  w.panels = {ceil_div(g.out_channels, kBlock), w.isa->panel / static_cast<int>(kBlock)};
  if (!bias.empty()) {
    w.bias.assign(static_cast<size_t>(w.panels.out_blocks * kBlock), 0.f);
    std::copy(bias.begin(), bias.end(), w.bias.begin());
  }
  if (algorithm != ConvAlgorithm::direct) {
    const bool nested = algorithm == ConvAlgorithm::nested3x2;
    w.transformed.precision = precision;
    w.in.channels_per_block = static_cast<int>(kBlock);
    GPEN_RETURN_IF_ERROR(pack_transformed(w.transformed, nested ? kNested3x2 : kWinograd4x4,
                                          nested ? nested_down_filters : winograd4x4_filters, w.panels, w.in, weight,
                                          g.out_channels, scale, pool));
  } else {
    w.direct.precision = precision;
    if (precision == Precision::bf16) w.in.channels_per_block = static_cast<int>(kBlock);
    for (int ky = 0; ky < g.kernel_h; ++ky)
      for (int kx = 0; kx < g.kernel_w; ++kx) w.direct.taps.push_back({ky, kx, ky, kx});
    GPEN_RETURN_IF_ERROR(
        pack_direct(w.direct, w.panels, w.in, weight, g.out_channels, g.kernel_h, g.kernel_w, scale, pool));
  }
  return result;
}

const ConvGeometry& Conv2dWeights::geometry() const { return impl_->geometry; }
ConvAlgorithm Conv2dWeights::algorithm() const { return impl_->algorithm; }
double Conv2dWeights::multiplications(int64_t h, int64_t w) const {
  const ConvGeometry& g = impl_->geometry;
  const int64_t out_h = g.out_size(h, g.kernel_h), out_w = g.out_size(w, g.kernel_w);
  auto positions = [&](int64_t tile) { return ceil_div(out_h, tile) * ceil_div(out_w, tile); };
  int64_t each = out_h * out_w * g.kernel_h * g.kernel_w;
  if (impl_->algorithm == ConvAlgorithm::winograd4x4) each = positions(4) * kWinograd4x4.planes;
  if (impl_->algorithm == ConvAlgorithm::nested3x2) each = positions(3) * kNested3x2.planes;
  return static_cast<double>(each) * static_cast<double>(g.in_channels * g.out_channels);
}
size_t Conv2dWeights::packed_bytes() const {
  return impl_->direct.data.bytes() + impl_->transformed.u.bytes() + impl_->gpu.bytes();
}

PackBlock RegionSource::region(int64_t n, int64_t b, int64_t y0, int64_t x0, int64_t rows, int64_t cols) const {
  const TensorView& size = in->x;
  PackBlock job{};
  const bool feature = b >= blocks->x_blocks;
  const int64_t part_block = feature ? b - blocks->x_blocks : b;
  if (in->stem.weight != nullptr && (feature || blocks->feature_blocks == 0)) {
    job.src = in->stem.pixels + n * size.plane() * 4;
    job.stem_weight = in->stem.weight + part_block * 4 * kBlock;
  } else {
    job.src = (feature ? in->feature : in->x).block(n, part_block);
  }
  job.h = size.h;
  job.w = size.w;
  job.reflect = pad_mode == PadMode::reflect;
  job.shift = upsample == 2 ? 1 : 0;
  job.scale = in->in_scale != nullptr ? in->in_scale + (n * blocks->count() + b) * kBlock : nullptr;
  job.bias = feature ? in->feature_bias + part_block * kBlock : nullptr;
  job.feature_gain = in->feature_gain;
  job.bf16 = bf16;
  job.y0 = y0;
  job.x0 = x0;
  job.rows = rows;
  job.cols = cols;
  return job;
}

void RegionSource::pack(int64_t n, int64_t first, int64_t count, int64_t y0, int64_t x0, int64_t rows, int64_t cols,
                        float* dst, float* raw) const {
  for (int64_t b = first; b < first + count; ++b, dst += rows * cols * kBlock) {
    PackBlock job = region(n, b, y0, x0, blur ? rows + 3 : rows, blur ? cols + 3 : cols);
    job.dst = blur ? raw : dst;
    isa->pack(job);
    if (blur) isa->blur(raw, job.rows, job.cols, raw + job.rows * job.cols * kBlock, dst);
  }
}

OutputBlock output_block(const std::vector<float>& bias, const ConvEpilogue& ep, const TensorView& y, int64_t n,
                         int64_t b, int64_t row, int64_t col) {
  const int64_t at = (row * y.w + col) * kBlock;
  const Epilogue e{ep.out_scale != nullptr ? ep.out_scale + (n * y.blocks() + b) * kBlock : nullptr,
                   bias.empty() ? nullptr : bias.data() + b * kBlock,
                   ep.slope,
                   ep.gain,
                   ep.residual_slope,
                   ep.gain2};
  return {e,
          {y.block(n, b) + at, y.w * kBlock, ep.residual.data != nullptr ? ep.residual.block(n, b) + at : nullptr,
           ep.residual2.data != nullptr ? ep.residual2.block(n, b) + at : nullptr}};
}

void store_epilogue(const IsaKernels& isa, const std::vector<float>& bias, const ConvEpilogue& ep, const float* acc,
                    int64_t pixels, int64_t n, int64_t b, int64_t row, int64_t col, const TensorView& y) {
  const OutputBlock out = output_block(bias, ep, y, n, b, row, col);
  isa.store(out.epilogue, acc, pixels, out.rows);
}

void conv2d(Exec& exec, const Conv2dWeights& weights, const ConvInput& in, const ConvEpilogue& ep, TensorView y) {
  const Conv2dWeights::Impl& w = weights.impl();
  [[maybe_unused]] const ConvGeometry& g = w.geometry;
  assert(in.x.c == w.in.x_channels && in.feature.c == g.in_channels - w.in.x_channels);
  assert(in.x.layout == exec.layout() && y.layout == exec.layout() && y.n == in.x.n && y.c == g.out_channels);
  assert(y.h == g.out_size(in.x.h, g.kernel_h) && y.w == g.out_size(in.x.w, g.kernel_w));
  assert(in.x.h * g.upsample + 2 * (g.pad + g.blur_pad) - (g.blur_pad > 0 ? 3 : 0) >= g.kernel_h);
  assert(in.x.w * g.upsample + 2 * (g.pad + g.blur_pad) - (g.blur_pad > 0 ? 3 : 0) >= g.kernel_w);
  assert(ep.residual.c == 0 || ep.residual.same_shape(y));
  assert(ep.residual2.c == 0 || ep.residual2.same_shape(y));
  if (exec.device != nullptr) return exec.device->kernels().conv2d(exec, weights, in, ep, y);
  if (w.algorithm == ConvAlgorithm::winograd4x4)
    conv2d_winograd(exec, w, in, ep, y);
  else if (w.algorithm == ConvAlgorithm::nested3x2)
    conv2d_nested(exec, w, in, ep, y);
  else
    conv2d_direct(exec, w, in, ep, y);
  if (ep.rgb != nullptr) to_rgb_of(exec, *ep.rgb, y);
}

}  // namespace gpen
