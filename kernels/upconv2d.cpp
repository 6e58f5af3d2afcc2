#include "kernels/upconv2d.h"

#include <cassert>

#include "kernels/gpu_kernels.h"
#include "kernels/isa.h"
#include "kernels/to_rgb.h"
#include "kernels/upconv2d_impl.h"

namespace gpen {

UpConv2dWeights::UpConv2dWeights() = default;
UpConv2dWeights::~UpConv2dWeights() = default;
UpConv2dWeights::UpConv2dWeights(UpConv2dWeights&&) noexcept = default;
UpConv2dWeights& UpConv2dWeights::operator=(UpConv2dWeights&&) noexcept = default;

Result<UpConv2dWeights> UpConv2dWeights::pack(int64_t in_channels, int64_t out_channels, const float* weight,
                                              double scale, const std::vector<float>& bias, const Placement& at,
                                              int64_t split, ConvAlgorithm algorithm, Precision precision) {
  if (in_channels < 1 || out_channels < 1) return fail(Code::usage, "upconv2d: empty geometry");
  if (split < 0 || split > in_channels) return fail(Code::usage, "upconv2d: split ", split, " of ", in_channels);
  if (!bias.empty() && static_cast<int64_t>(bias.size()) != out_channels)
    return fail(Code::usage, "upconv2d: bias has ", bias.size(), " entries, the output has ", out_channels,
                " channels");
  if (algorithm == ConvAlgorithm::winograd4x4)
    return fail(Code::usage, "upconv2d: winograd4x4 is for convolutions of stride 1");
  if (algorithm == ConvAlgorithm::automatic)
    algorithm = at.device != nullptr || in_channels < 32 || out_channels < 32 ? ConvAlgorithm::direct
                                                                              : ConvAlgorithm::nested3x2;

  UpConv2dWeights result;
  result.impl_ = std::make_unique<Impl>();
  Impl& w = *result.impl_;
  w.algorithm = algorithm;
  if (at.device != nullptr) {
    if (algorithm != ConvAlgorithm::direct)
      return fail(Code::usage, "upconv2d: ", name_of(algorithm), " is for the processor");
    w.in = input_blocks(in_channels, split);
    w.out_channels = out_channels;
    GPEN_ASSIGN(w.gpu,
                GpuConvWeights::pack(in_channels, out_channels, 3, 3, weight, scale, bias, at, split, precision));
    return result;
  }
  ThreadPool& pool = at.pool;
  if (precision != Precision::fp32 && precision != Precision::bf16)
    return fail(Code::usage, "upconv2d: the processor does not compute in ", name_of(precision));
  w.isa = &isa_kernels();
  w.in = input_blocks(in_channels, split);
  w.out_channels = out_channels;
  w.panels = {ceil_div(out_channels, kBlock), w.isa->panel / static_cast<int>(kBlock)};
  if (!bias.empty()) {
    w.bias.assign(static_cast<size_t>(w.panels.out_blocks * kBlock), 0.f);
    std::copy(bias.begin(), bias.end(), w.bias.begin());
  }
  if (algorithm == ConvAlgorithm::nested3x2 || precision == Precision::bf16)
    w.in.channels_per_block = static_cast<int>(kBlock);
  if (algorithm == ConvAlgorithm::nested3x2) {
    w.nested.precision = precision;
    GPEN_RETURN_IF_ERROR(
        pack_transformed(w.nested, kNested3x2, nested_up_filters, w.panels, w.in, weight, out_channels, scale, pool));
    return result;
  }
  // In one direction t[2i] = x[i-1]*w[2] + x[i]*w[0] and t[2i+1] = x[i]*w[1]; the packed region starts at i-1.
  struct Line {
    int offset, k;
  };
  const std::vector<Line> even = {{0, 2}, {1, 0}}, odd = {{1, 1}};
  for (int p = 0; p < Impl::kPhases; ++p) {
    w.phase[p].precision = precision;
    for (const Line& r : p / 2 == 0 ? even : odd)
      for (const Line& c : p % 2 == 0 ? even : odd) w.phase[p].taps.push_back({r.offset, c.offset, r.k, c.k});
    GPEN_RETURN_IF_ERROR(pack_direct(w.phase[p], w.panels, w.in, weight, out_channels, 3, 3, scale, pool));
  }
  return result;
}

ConvAlgorithm UpConv2dWeights::algorithm() const { return impl_->algorithm; }

double UpConv2dWeights::multiplications(int64_t h, int64_t w) const {
  // Direct: in each direction two taps at the even positions, of which there is one more, and one at the odd ones.
  const int64_t direct = (3 * h + 2) * (3 * w + 2);
  const int64_t nested = ceil_div(h + 1, 3) * ceil_div(w + 1, 3) * kNested3x2.planes;
  const int64_t each = impl_->algorithm == ConvAlgorithm::nested3x2 ? nested : direct;
  return static_cast<double>(each) * static_cast<double>(impl_->in.in_channels * impl_->out_channels);
}

size_t UpConv2dWeights::packed_bytes() const {
  size_t bytes = impl_->nested.u.bytes() + impl_->gpu.bytes();
  for (const DirectWeights& p : impl_->phase) bytes += p.data.bytes();
  return bytes;
}

void upconv2d(Exec& exec, const UpConv2dWeights& weights, const ConvInput& in, const ConvEpilogue& ep, TensorView y) {
  const UpConv2dWeights::Impl& w = weights.impl();
  assert(y.h == 2 * in.x.h && y.w == 2 * in.x.w && y.c == w.out_channels && y.n == in.x.n);
  assert(in.x.c == w.in.x_channels && in.feature.c == w.in.in_channels - w.in.x_channels);
  if (exec.device != nullptr)
    exec.device->kernels().upconv2d(exec, weights, in, ep, y);
  else if (w.algorithm == ConvAlgorithm::nested3x2)
    upconv2d_nested(exec, w, in, ep, y);
  else
    upconv2d_direct(exec, w, in, ep, y);
  if (ep.rgb != nullptr) to_rgb_of(exec, *ep.rgb, y);
}

}  // namespace gpen
