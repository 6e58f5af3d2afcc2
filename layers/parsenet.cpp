#include "layers/parsenet.h"

#include <cassert>
#include <string>
#include <utility>

#include "kernels/layout.h"
#include "layers/activation.h"
#include "layers/conv_bn.h"

namespace gpen {

namespace {

constexpr float kSlope = 0.2f;

// conv2(lrelu(conv1(x))) + shortcut(x). Going down, conv2 and the shortcut stride; going up, conv1 and the shortcut
// enlarge their input first; the blocks between keep the size and add x itself.
struct ResidualBlock {
  Conv2dWeights conv1, conv2, shortcut;
  int64_t out_channels = 0;
};

ConvGeometry reflected(int64_t in, int64_t out, int stride, int upsample) {
  ConvGeometry g{.in_channels = in, .out_channels = out};
  g.stride = stride;
  g.upsample = upsample;
  g.pad_mode = PadMode::reflect;
  return g;
}

Result<ResidualBlock> load_block(const WeightStore& store, const std::string& name, int64_t in, int64_t out, int stride,
                                 int upsample, bool identity, const Placement& at) {
  const auto names = [&](const char* conv) {
    return ConvNames{name + "." + conv + ".conv2d", name + "." + conv + ".norm.norm"};
  };
  ResidualBlock b;
  b.out_channels = out;
  GPEN_ASSIGN(b.conv1, load_conv(store, names("conv1"), reflected(in, out, 1, upsample), at));
  GPEN_ASSIGN(b.conv2, load_conv(store, names("conv2"), reflected(out, out, stride, 1), at));
  if (!identity) {
    GPEN_ASSIGN(b.shortcut,
                load_conv(store, {name + ".shortcut_func.conv2d", ""}, reflected(in, out, stride, upsample), at));
  }
  return b;
}

Activation run_down(Exec& exec, const ResidualBlock& b, const TensorView& x) {
  Activation inner(exec, x.n, b.out_channels, x.h, x.w);
  Activation y(exec, x.n, b.out_channels, x.h / 2, x.w / 2);
  apply(exec, b.conv1, x, kSlope, *inner);
  apply(exec, b.shortcut, x, 1.0f, *y);
  apply_residual(exec, b.conv2, *inner, *y, 1.0f, *y);
  return y;
}

Activation run_up(Exec& exec, const ResidualBlock& b, const TensorView& x) {
  Activation inner(exec, x.n, b.out_channels, x.h * 2, x.w * 2);
  Activation y(exec, x.n, b.out_channels, x.h * 2, x.w * 2);
  apply(exec, b.conv1, x, kSlope, *inner);
  apply(exec, b.shortcut, x, 1.0f, *y);
  apply_residual(exec, b.conv2, *inner, *y, 1.0f, *y);
  return y;
}

}  // namespace

struct ParseNet::Weights {
  ParseNetArch arch;
  Conv2dWeights first, mask_head, image_head;
  std::vector<ResidualBlock> down, body, up;

  Status load(const WeightStore& store, const Placement& at);
  Status run(Exec& exec, const TensorView& input, TensorView mask_logits, const TensorView* image) const;
  Activation run_body(Exec& exec, const TensorView& encoded) const;
  int64_t multiple() const { return int64_t{1} << down.size(); }
};

struct ParseNet::Impl {
  std::shared_ptr<const Weights> weights;
  NetworkRun planned;
};

Status ParseNet::Weights::load(const WeightStore& store, const Placement& at) {
  if (arch.down_channels.empty() || arch.body_blocks < 1 || arch.up_channels.size() + 1 != arch.down_channels.size() ||
      arch.up_channels.empty())
    return fail(Code::model, store.source, ": ParseNet needs as many decoder as encoder blocks, and a body; it has ",
                arch.up_channels.size(), ", ", arch.down_channels.size(), " (with the first convolution) and ",
                arch.body_blocks);
  int64_t channels = arch.down_channels[0];
  GPEN_ASSIGN(first, load_conv(store, {"encoder.0.conv2d", ""}, reflected(3, channels, 1, 1), at));
  for (size_t i = 1; i < arch.down_channels.size(); ++i) {
    GPEN_ASSIGN(ResidualBlock b,
                load_block(store, concat("encoder.", i), channels, arch.down_channels[i], 2, 1, false, at));
    channels = b.out_channels;
    down.push_back(std::move(b));
  }
  for (int i = 0; i < arch.body_blocks; ++i) {
    GPEN_ASSIGN(ResidualBlock b, load_block(store, concat("body.", i), channels, channels, 1, 1, true, at));
    body.push_back(std::move(b));
  }
  for (size_t i = 0; i < arch.up_channels.size(); ++i) {
    GPEN_ASSIGN(ResidualBlock b,
                load_block(store, concat("decoder.", i), channels, arch.up_channels[i], 1, 2, false, at));
    channels = b.out_channels;
    up.push_back(std::move(b));
  }
  GPEN_ASSIGN(mask_head, load_conv(store, {"out_mask_conv.conv2d", ""}, reflected(channels, arch.classes, 1, 1), at));
  GPEN_ASSIGN(image_head, load_conv(store, {"out_img_conv.conv2d", ""}, reflected(channels, 3, 1, 1), at));
  return Status();
}

// body(encoded) + encoded. The first block leaves `encoded` alone, the others add to its result in place, and the last
// adds `encoded` on the way out.
Activation ParseNet::Weights::run_body(Exec& exec, const TensorView& encoded) const {
  Activation inner(exec, encoded.n, encoded.c, encoded.h, encoded.w);
  Activation y(exec, encoded.n, encoded.c, encoded.h, encoded.w);
  for (size_t i = 0; i < body.size(); ++i) {
    const TensorView& x = i == 0 ? encoded : *y;
    apply(exec, body[i].conv1, x, kSlope, *inner);
    ConvInput in;
    in.x = *inner;
    ConvEpilogue ep;
    ep.residual = x;
    if (i + 1 == body.size()) ep.residual2 = encoded;
    conv2d(exec, body[i].conv2, in, ep, *y);
  }
  return y;
}

Status ParseNet::Weights::run(Exec& exec, const TensorView& input, TensorView mask_logits,
                              const TensorView* image) const {
  Activation x(exec, input.n, arch.down_channels[0], input.h, input.w);
  {
    const Activation rgb(exec, input.n, 3, input.h, input.w);
    GPEN_RETURN_IF_ERROR(to_blocked(exec, input, *rgb));
    apply(exec, first, *rgb, 1.0f, *x);
  }
  for (const ResidualBlock& b : down) x = run_down(exec, b, *x);
  x = run_body(exec, *x);
  for (const ResidualBlock& b : up) x = run_up(exec, b, *x);
  const Activation logits(exec, x->n, arch.classes, x->h, x->w);
  apply(exec, mask_head, *x, 1.0f, *logits);
  GPEN_RETURN_IF_ERROR(to_planar(exec, *logits, mask_logits));
  if (image == nullptr) return Status();
  const Activation picture(exec, x->n, 3, x->h, x->w);
  apply(exec, image_head, *x, 1.0f, *picture);
  return to_planar(exec, *picture, *image);
}

ParseNet::ParseNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ParseNet::ParseNet(ParseNet&&) noexcept = default;
ParseNet& ParseNet::operator=(ParseNet&&) noexcept = default;
ParseNet::~ParseNet() = default;
const ParseNetArch& ParseNet::arch() const { return impl_->weights->arch; }
const std::shared_ptr<Device>& ParseNet::device() const { return impl_->planned.device(); }

Result<ParseNet> ParseNet::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  const auto* parsenet = std::get_if<ParseNetArch>(&arch);
  if (parsenet == nullptr) return fail(Code::model, store.source, ": not a ParseNet but ", describe(arch));
  const auto weights = std::make_shared<Weights>();
  weights->arch = *parsenet;
  GPEN_RETURN_IF_ERROR(weights->load(store, where.placement()));
  return ParseNet(std::make_unique<Impl>(Impl{weights, NetworkRun(where)}));
}

ParseNet ParseNet::share(std::shared_ptr<ThreadPool> pool) const {
  assert(device() == nullptr);
  return ParseNet(std::make_unique<Impl>(Impl{impl_->weights, NetworkRun(Processor(std::move(pool)))}));
}

size_t ParseNet::arena_bytes_for(int64_t n) const {
  const Weights& weights = *impl_->weights;
  float unused;  // the caller's tensors are not of the arena
  const TensorView input = make_view(&unused, n, 3, weights.arch.size, weights.arch.size);
  const TensorView logits = make_view(&unused, n, weights.arch.classes, weights.arch.size, weights.arch.size);
  return impl_->planned.bytes_for(std::span(&input, 1), std::span(&logits, 1),
                                  [&](Exec& exec, std::span<const TensorView> in, std::span<const TensorView> out) {
                                    return weights.run(exec, in[0], out[0], nullptr);
                                  });
}

Status ParseNet::forward(const TensorView& input, TensorView mask_logits, TensorView image) {
  const Weights& weights = *impl_->weights;
  const int64_t multiple = weights.multiple();
  if (input.layout != Layout::nchw || input.c != 3 || input.n < 1 || input.h < 2 * multiple || input.w < 2 * multiple ||
      input.h % multiple != 0 || input.w % multiple != 0)
    return fail(Code::usage, "parsenet: input is ", input.shape_string(),
                ", expected a planar n x 3 x H x W with sides that are multiples of ", multiple, ", two at least");
  const auto fits = [&](const TensorView& v, int64_t channels) {
    return v.layout == Layout::nchw && v.n == input.n && v.c == channels && v.h == input.h && v.w == input.w;
  };
  if (!fits(mask_logits, weights.arch.classes))
    return fail(Code::usage, "parsenet: mask output is ", mask_logits.shape_string(), " for input ",
                input.shape_string(), " and ", weights.arch.classes, " classes");
  if (image.data != nullptr && !fits(image, 3))
    return fail(Code::usage, "parsenet: image output is ", image.shape_string(), " for input ", input.shape_string());
  const bool with_image = image.data != nullptr;
  const int64_t shape[] = {input.n, input.h, input.w, with_image};
  const TensorView outputs[] = {mask_logits, image};
  return impl_->planned.run(shape, std::span(&input, 1), std::span(outputs, with_image ? 2 : 1),
                            [&](Exec& exec, std::span<const TensorView> in, std::span<const TensorView> out) {
                              return weights.run(exec, in[0], out[0], with_image ? &out[1] : nullptr);
                            });
}

}  // namespace gpen
