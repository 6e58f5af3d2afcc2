#include "layers/rrdbnet.h"

#include <algorithm>
#include <array>
#include <string>

#include "kernels/layout.h"
#include "layers/activation.h"
#include "layers/conv_bn.h"

namespace gpen {

namespace {

constexpr float kSlope = 0.2f;
constexpr float kResidualGain = 0.2f;  // of a dense block, and again of the three around it
constexpr int kMargin = 10;            // input pixels a tile reads beyond each side that has a neighbour

// Five convolutions, each reading the block's input and everything before it: one buffer holds [x, c1, c2, c3, c4].
struct DenseBlock {
  std::array<Conv2dWeights, 5> conv;
};
using Rrdb = std::array<DenseBlock, 3>;

}  // namespace

struct RrdbNet::Impl {
  RrdbNetArch arch;
  Conv2dWeights first, after_body, up1, up2, high, last;
  std::vector<Rrdb> body;
  NetworkRun planned;

  explicit Impl(const Processor& where) : planned(where) {}

  int unshuffle() const { return 4 / arch.scale; }
  // Channels of the dense buffer before convolution i (0 based) of a block.
  ConcatParts parts(int i) const {
    ConcatParts p(static_cast<size_t>(i + 1), arch.growth);
    p[0] = arch.features;
    return p;
  }
  Status load(const WeightStore& store, const Placement& at);
  Status run(Exec& exec, const TensorView& input, TensorView output) const;
  void run_dense(Exec& exec, const DenseBlock& block, const TensorView& buffer, const TensorView* outer,
                 TensorView y) const;
};

Status RrdbNet::Impl::load(const WeightStore& store, const Placement& at) {
  if ((arch.scale != 1 && arch.scale != 2 && arch.scale != 4) || arch.features < 1 || arch.growth < 1)
    return fail(Code::model, store.source, ": ", describe(arch), " is not an RRDBNet this program can run");
  const auto load_plain = [&](const std::string& name, int64_t in, int64_t out, int upsample) {
    ConvGeometry g{.in_channels = in, .out_channels = out};
    g.upsample = upsample;
    return load_conv(store, {name, ""}, g, at);
  };
  const int64_t features = arch.features;
  GPEN_ASSIGN(first, load_plain("conv_first", int64_t{3} * unshuffle() * unshuffle(), features, 1));
  body.resize(static_cast<size_t>(arch.blocks));
  for (size_t b = 0; b < body.size(); ++b)
    for (size_t d = 0; d < 3; ++d)
      for (int i = 0; i < 5; ++i) {
        const ConvGeometry g{.in_channels = 0, .out_channels = i < 4 ? arch.growth : features};
        const std::string name = concat("body.", b, ".rdb", d + 1, ".conv", i + 1);
        GPEN_ASSIGN(body[b][d].conv[static_cast<size_t>(i)], load_conv(store, {name, ""}, g, at, parts(i)));
      }
  GPEN_ASSIGN(after_body, load_plain("conv_body", features, features, 1));
  GPEN_ASSIGN(up1, load_plain("conv_up1", features, features, 2));
  GPEN_ASSIGN(up2, load_plain("conv_up2", features, features, 2));
  GPEN_ASSIGN(high, load_plain("conv_hr", features, features, 1));
  GPEN_ASSIGN(last, load_plain("conv_last", features, 3, 1));
  return Status();
}

// y = 0.2*conv5 + x, and when this is the last block of an RRDB, 0.2 of that + the RRDB's input. buffer: x is in its
// first channels, c1...c4 are written behind it.
void RrdbNet::Impl::run_dense(Exec& exec, const DenseBlock& block, const TensorView& buffer, const TensorView* outer,
                              TensorView y) const {
  for (int i = 0; i < 4; ++i) {
    const int64_t seen = padded_channels(parts(i));
    apply(exec, block.conv[static_cast<size_t>(i)], buffer.channels(0, seen), kSlope,
          buffer.channels(seen, arch.growth));
  }
  ConvInput in;
  in.x = buffer;
  ConvEpilogue ep;
  ep.gain = kResidualGain;
  ep.residual = buffer.channels(0, arch.features);
  if (outer != nullptr) {
    ep.gain2 = kResidualGain;
    ep.residual2 = *outer;
  }
  conv2d(exec, block.conv[4], in, ep, y);
}

Status RrdbNet::Impl::run(Exec& exec, const TensorView& input, TensorView output) const {
  const int64_t n = input.n, h = input.h / unshuffle(), w = input.w / unshuffle(), features = arch.features;
  Activation skip(exec, n, features, h, w), small(exec, n, features, h, w);
  {
    // The three dense buffers of an RRDB. Its input stands in the first until the third block adds it and overwrites
    // it.
    const int64_t dense = padded_channels(parts(4));
    const std::array<Activation, 3> buffers = {Activation(exec, n, dense, h, w), Activation(exec, n, dense, h, w),
                                               Activation(exec, n, dense, h, w)};
    const auto input_of = [&](size_t i) { return buffers[i]->channels(0, features); };
    {
      const Activation pixels(exec, n, input.c * unshuffle() * unshuffle(), h, w);
      GPEN_RETURN_IF_ERROR(to_blocked(exec, input, *pixels, unshuffle()));
      // Computed twice: once to stay until the end, once where the first RRDB overwrites it.
      apply(exec, first, *pixels, 1.0f, *skip);
      apply(exec, first, *pixels, 1.0f, input_of(0));
    }
    const TensorView outer = input_of(0);
    for (const Rrdb& block : body) {
      run_dense(exec, block[0], *buffers[0], nullptr, input_of(1));
      run_dense(exec, block[1], *buffers[1], nullptr, input_of(2));
      run_dense(exec, block[2], *buffers[2], &outer, outer);
    }
    apply_residual(exec, after_body, outer, *skip, 1.0f, *small);
  }
  skip = Activation();
  Activation middle(exec, n, features, 2 * h, 2 * w);
  apply(exec, up1, *small, kSlope, *middle);
  small = Activation();
  Activation x(exec, n, features, 4 * h, 4 * w);
  apply(exec, up2, *middle, kSlope, *x);
  middle = Activation();
  const Activation sharp(exec, n, features, 4 * h, 4 * w);
  apply(exec, high, *x, kSlope, *sharp);
  x = Activation();
  const Activation rgb(exec, n, 3, 4 * h, 4 * w);
  apply(exec, last, *sharp, 1.0f, *rgb);
  return to_planar(exec, *rgb, output);
}

RrdbNet::RrdbNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RrdbNet::RrdbNet(RrdbNet&&) noexcept = default;
RrdbNet& RrdbNet::operator=(RrdbNet&&) noexcept = default;
RrdbNet::~RrdbNet() = default;
const RrdbNetArch& RrdbNet::arch() const { return impl_->arch; }
const std::shared_ptr<Device>& RrdbNet::device() const { return impl_->planned.device(); }

Result<RrdbNet> RrdbNet::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  const auto* rrdb = std::get_if<RrdbNetArch>(&arch);
  if (rrdb == nullptr) return fail(Code::model, store.source, ": not an RRDBNet but ", describe(arch));
  auto impl = std::make_unique<Impl>(where);
  impl->arch = *rrdb;
  GPEN_RETURN_IF_ERROR(impl->load(store, where.placement()));
  return RrdbNet(std::move(impl));
}

Status RrdbNet::forward(const TensorView& input, TensorView output) {
  const int64_t f = impl_->unshuffle(), scale = impl_->arch.scale;
  if (input.layout != Layout::nchw || input.c != 3 || input.n < 1 || input.h < 1 || input.w < 1 || input.h % f != 0 ||
      input.w % f != 0)
    return fail(Code::usage, "rrdbnet: input is ", input.shape_string(),
                ", expected a planar n x 3 x H x W with sides that are multiples of ", f);
  if (output.layout != Layout::nchw || output.n != input.n || output.c != 3 || output.h != input.h * scale ||
      output.w != input.w * scale)
    return fail(Code::usage, "rrdbnet: output is ", output.shape_string(), " for input ", input.shape_string(),
                " and scale ", scale);
  const int64_t shape[] = {input.n, input.h, input.w};
  return impl_->planned.run(shape, std::span(&input, 1), std::span(&output, 1),
                            [&](Exec& exec, std::span<const TensorView> in, std::span<const TensorView> out) {
                              return impl_->run(exec, in[0], out[0]);
                            });
}

void RrdbNet::release_memory() { impl_->planned.release(); }

std::vector<Tile> RrdbNet::tiles(int64_t h, int64_t w, int tile) const {
  return plan_tiles(h, w, tile, kMargin, impl_->unshuffle());
}

Status RrdbNet::upscale(const TensorView& input, TensorView output, int tile,
                        const std::function<bool(int, int)>& progress) {
  const int64_t scale = impl_->arch.scale;
  if (input.on_device || output.on_device)
    return fail(Code::usage, "rrdbnet: upscale() takes pictures in the host's memory");
  if (input.layout != Layout::nchw || input.n != 1 || input.c != 3 || input.h < 1 || input.w < 1 || tile < 0)
    return fail(Code::usage, "rrdbnet: input is ", input.shape_string(), ", expected a planar 1 x 3 x H x W; tile ",
                tile);
  if (output.layout != Layout::nchw || output.n != 1 || output.c != 3 || output.h != input.h * scale ||
      output.w != input.w * scale)
    return fail(Code::usage, "rrdbnet: output is ", output.shape_string(), " for input ", input.shape_string(),
                " and scale ", scale);
  const std::vector<Tile> pieces = tiles(input.h, input.w, tile);
  std::vector<float> in, out;
  int done = 0;
  for (const Tile& t : pieces) {
    const TensorView piece = cut_reflected(input, t, &in);
    out.resize(static_cast<size_t>(3 * piece.plane() * scale * scale));
    const TensorView enlarged = make_view(out.data(), 1, 3, piece.h * scale, piece.w * scale);
    GPEN_RETURN_IF_ERROR(forward(piece, enlarged));
    paste_centre(enlarged, t, scale, output);
    ++done;
    if (progress && !progress(done, static_cast<int>(pieces.size())))
      return fail(Code::cancelled, "upscaling cancelled");
  }
  return Status();
}

}  // namespace gpen
