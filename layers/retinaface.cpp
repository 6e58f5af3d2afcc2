#include "layers/retinaface.h"

#include <array>
#include <cassert>
#include <cmath>

#include "kernels/add_upsampled.h"
#include "kernels/layout.h"
#include "layers/activation.h"
#include "layers/conv_bn.h"
#include "layers/retinaface_body.h"

namespace gpen {

namespace {

constexpr int64_t kAnchorsPerCell = 2;
constexpr int64_t kConf = 2, kLoc = 4, kLandmarks = 10;  // values per anchor
// The three heads of a level run as one 1x1 convolution; where each head's channels begin in its output.
constexpr int64_t kConfAt = 0, kLocAt = kAnchorsPerCell * kConf, kLandmarksAt = kLocAt + kAnchorsPerCell * kLoc;
constexpr int64_t kHeadChannels = kLandmarksAt + kAnchorsPerCell * kLandmarks;

// 3x3, 5x5 and 7x7 context, the larger ones as stacked 3x3 convolutions.
struct Ssh {
  Conv2dWeights conv3, conv5_1, conv5_2, conv7_2, conv7_3;
};

Result<Ssh> load_ssh(const WeightStore& store, const std::string& name, int64_t width, const Placement& at) {
  const auto load = [&](const char* part, int64_t in, int64_t out) {
    const std::string prefix = name + "." + part;
    return load_conv(store, {prefix + ".0", prefix + ".1"}, {.in_channels = in, .out_channels = out}, at);
  };
  Ssh s;
  GPEN_ASSIGN(s.conv3, load("conv3X3", width, width / 2));
  GPEN_ASSIGN(s.conv5_1, load("conv5X5_1", width, width / 4));
  GPEN_ASSIGN(s.conv5_2, load("conv5X5_2", width / 4, width / 4));
  GPEN_ASSIGN(s.conv7_2, load("conv7X7_2", width / 4, width / 4));
  GPEN_ASSIGN(s.conv7_3, load("conv7x7_3", width / 4, width / 4));
  return s;
}

ConcatParts ssh_parts(int64_t width) { return {width / 2, width / 4, width / 4}; }

// ClassHead, BboxHead and LandmarkHead of a level, stacked along the output channels.
Result<Conv2dWeights> load_heads(const WeightStore& store, int level, int64_t width, const Placement& at) {
  const ConcatParts parts = ssh_parts(width);
  std::vector<float> weight, bias;
  for (const auto& [head, values] : {std::pair("ClassHead", kConf), {"BboxHead", kLoc}, {"LandmarkHead", kLandmarks}}) {
    const std::string conv = concat(head, ".", level, ".conv1x1");
    const int64_t outs = kAnchorsPerCell * values;
    GPEN_ASSIGN(const FoldedConv folded, fold_conv(store, {conv, ""}, {outs, width, 1, 1}));
    const std::vector<float> spread = spread_inputs(folded.weight, outs, 1, parts);
    weight.insert(weight.end(), spread.begin(), spread.end());
    bias.insert(bias.end(), folded.bias.begin(), folded.bias.end());
  }
  const ConvGeometry g{
      .in_channels = padded_channels(parts), .out_channels = kHeadChannels, .kernel_h = 1, .kernel_w = 1, .pad = 0};
  return Conv2dWeights::pack(g, weight.data(), 1.0, bias, at, ConvAlgorithm::automatic, 0, at.precision);
}

}  // namespace

struct RetinaFaceNet::Weights {
  RetinaFaceArch arch;
  std::unique_ptr<RetinaFaceBody> body;
  Conv2dWeights output1, output2, output3, merge1, merge2;
  std::array<Ssh, 3> ssh;
  std::array<Conv2dWeights, 3> heads;

  Status load(const WeightStore& store, const Placement& at);
  float slope() const { return arch.fpn_width <= 64 ? 0.1f : 0.0f; }
  // heads: of the three levels, planar n x kHeadChannels x h x w.
  Status run(Exec& exec, const TensorView& input, std::span<const TensorView> outputs) const;
  Activation run_ssh(Exec& exec, const Ssh& s, const TensorView& x) const;
};

struct RetinaFaceNet::Impl {
  std::shared_ptr<const Weights> weights;
  NetworkRun planned;
  std::vector<float> head_memory;  // of the heads' planar outputs, between forwards
};

// ReLU(concat(a, b, c)): each convolution writes its channels of the one buffer, through the ReLU.
Activation RetinaFaceNet::Weights::run_ssh(Exec& exec, const Ssh& s, const TensorView& x) const {
  const int64_t half = arch.fpn_width / 2, quarter = arch.fpn_width / 4;
  const int64_t b_at = padded_channels({half}), c_at = padded_channels({half, quarter});
  Activation out(exec, x.n, padded_channels(ssh_parts(arch.fpn_width)), x.h, x.w);
  Activation context(exec, x.n, quarter, x.h, x.w), deeper(exec, x.n, quarter, x.h, x.w);
  apply(exec, s.conv3, x, 0.0f, out->channels(0, half));
  apply(exec, s.conv5_1, x, slope(), *context);
  apply(exec, s.conv5_2, *context, 0.0f, out->channels(b_at, quarter));
  apply(exec, s.conv7_2, *context, slope(), *deeper);
  apply(exec, s.conv7_3, *deeper, 0.0f, out->channels(c_at, quarter));
  return out;
}

namespace {

// Spreads one level's head channels, planar, over the anchors [first, first + 2*h*w) of every image, with the softmax.
void store_heads(ThreadPool& pool, const TensorView& x, int64_t first, RetinaFaceNet::Output* out) {
  const int64_t anchors = out->anchors;
  pool.parallel_for(x.n * x.h, [&](int64_t item, int) {
    const int64_t n = item / x.h, row = item % x.h;
    for (int64_t col = 0; col < x.w; ++col)
      for (int64_t a = 0; a < kAnchorsPerCell; ++a) {
        const int64_t pixel = row * x.w + col, anchor = n * anchors + first + pixel * kAnchorsPerCell + a;
        const auto value = [&](int64_t c) { return x.image(n)[c * x.plane() + pixel]; };
        for (int64_t i = 0; i < kLoc; ++i)
          out->loc[static_cast<size_t>(anchor * kLoc + i)] = value(kLocAt + a * kLoc + i);
        for (int64_t i = 0; i < kLandmarks; ++i)
          out->landms[static_cast<size_t>(anchor * kLandmarks + i)] = value(kLandmarksAt + a * kLandmarks + i);
        const double background = value(kConfAt + a * kConf), face = value(kConfAt + a * kConf + 1);
        float* conf = out->conf.data() + anchor * kConf;
        conf[0] = static_cast<float>(1 / (1 + std::exp(face - background)));
        conf[1] = static_cast<float>(1 / (1 + std::exp(background - face)));
      }
  });
}

}  // namespace

Status RetinaFaceNet::Weights::run(Exec& exec, const TensorView& input, std::span<const TensorView> outputs) const {
  const int64_t width = arch.fpn_width;
  RetinaFaceBody::Levels c;
  {
    Activation x(exec, input.n, input.c, input.h, input.w);
    GPEN_RETURN_IF_ERROR(to_blocked(exec, input, *x));
    GPEN_RETURN_IF_ERROR(body->run(exec, std::move(x), &c));
  }

  const auto same_size = [&](const Activation& a) { return Activation(exec, a->n, width, a->h, a->w); };
  Activation p1 = same_size(c[0]), p2 = same_size(c[1]), p3 = same_size(c[2]);
  apply(exec, output1, *c[0], slope(), *p1);
  apply(exec, output2, *c[1], slope(), *p2);
  apply(exec, output3, *c[2], slope(), *p3);
  GPEN_RETURN_IF_ERROR(add_upsampled(exec, *p3, *p2));
  Activation merged2 = same_size(c[1]);
  apply(exec, merge2, *p2, slope(), *merged2);
  GPEN_RETURN_IF_ERROR(add_upsampled(exec, *merged2, *p1));
  Activation merged1 = same_size(c[0]);
  apply(exec, merge1, *p1, slope(), *merged1);

  const std::array<const TensorView*, 3> levels = {&*merged1, &*merged2, &*p3};
  for (size_t i = 0; i < 3; ++i) {
    const TensorView& level = *levels[i];
    const Activation features = run_ssh(exec, ssh[i], level);
    const Activation head(exec, level.n, kHeadChannels, level.h, level.w);
    apply(exec, heads[i], *features, 1.0f, *head);
    GPEN_RETURN_IF_ERROR(to_planar(exec, *head, outputs[i]));
  }
  return Status();
}

Status RetinaFaceNet::Weights::load(const WeightStore& store, const Placement& at) {
  GPEN_ASSIGN(body, RetinaFaceBody::load(store, arch.backbone, at));
  const int64_t width = arch.fpn_width;
  const auto load_fpn = [&](const std::string& name, int64_t in, int kernel) {
    const ConvGeometry g{
        .in_channels = in, .out_channels = width, .kernel_h = kernel, .kernel_w = kernel, .pad = kernel / 2};
    return load_conv(store, {"fpn." + name + ".0", "fpn." + name + ".1"}, g, at);
  };
  const std::array<int64_t, 3> channels = body->channels();
  GPEN_ASSIGN(output1, load_fpn("output1", channels[0], 1));
  GPEN_ASSIGN(output2, load_fpn("output2", channels[1], 1));
  GPEN_ASSIGN(output3, load_fpn("output3", channels[2], 1));
  GPEN_ASSIGN(merge1, load_fpn("merge1", width, 3));
  GPEN_ASSIGN(merge2, load_fpn("merge2", width, 3));
  for (int i = 0; i < 3; ++i) {
    const size_t level = static_cast<size_t>(i);
    GPEN_ASSIGN(ssh[level], load_ssh(store, concat("ssh", i + 1), width, at));
    GPEN_ASSIGN(heads[level], load_heads(store, i, width, at));
  }
  return Status();
}

RetinaFaceNet::RetinaFaceNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RetinaFaceNet::RetinaFaceNet(RetinaFaceNet&&) noexcept = default;
RetinaFaceNet& RetinaFaceNet::operator=(RetinaFaceNet&&) noexcept = default;
RetinaFaceNet::~RetinaFaceNet() = default;
const RetinaFaceArch& RetinaFaceNet::arch() const { return impl_->weights->arch; }
const std::shared_ptr<Device>& RetinaFaceNet::device() const { return impl_->planned.device(); }

Result<RetinaFaceNet> RetinaFaceNet::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  const auto* retina = std::get_if<RetinaFaceArch>(&arch);
  if (retina == nullptr) return fail(Code::model, store.source, ": not a RetinaFace but ", describe(arch));
  if (retina->fpn_width < 4 || retina->fpn_width % 4 != 0)
    return fail(Code::model, store.source, ": FPN width ", retina->fpn_width, " is not a multiple of 4");
  const auto weights = std::make_shared<Weights>();
  weights->arch = *retina;
  GPEN_RETURN_IF_ERROR(weights->load(store, where.placement()));
  return RetinaFaceNet(std::make_unique<Impl>(Impl{weights, NetworkRun(where), {}}));
}

RetinaFaceNet RetinaFaceNet::share(std::shared_ptr<ThreadPool> pool) const {
  assert(device() == nullptr);
  return RetinaFaceNet(std::make_unique<Impl>(Impl{impl_->weights, NetworkRun(Processor(std::move(pool))), {}}));
}

namespace {

// The heads' outputs for an input of h x w, without memory.
std::array<TensorView, 3> head_views(int64_t n, int64_t h, int64_t w) {
  const auto level = [&](int64_t stride) {
    return make_view(nullptr, n, kHeadChannels, ceil_div(h, stride), ceil_div(w, stride));
  };
  return {level(8), level(16), level(32)};
}

}  // namespace

size_t RetinaFaceNet::arena_bytes_for(int64_t n, int64_t h, int64_t w) const {
  float unused;  // the caller's input and head_memory are not of the arena
  const TensorView input = make_view(&unused, n, 3, h, w);
  std::array<TensorView, 3> heads = head_views(n, h, w);
  for (TensorView& head : heads) head.data = &unused;
  return impl_->planned.bytes_for(std::span(&input, 1), heads,
                                  [&](Exec& exec, std::span<const TensorView> in, std::span<const TensorView> levels) {
                                    return impl_->weights->run(exec, in[0], levels);
                                  });
}

Status RetinaFaceNet::forward(const TensorView& input, Output* out) {
  if (input.layout != Layout::nchw || input.c != 3 || input.n < 1 || input.h < 1 || input.w < 1)
    return fail(Code::usage, "retinaface: input is ", input.shape_string(), ", expected a planar n x 3 x H x W");
  std::array<TensorView, 3> heads = head_views(input.n, input.h, input.w);
  size_t floats = 0;
  out->anchors = 0;
  for (const TensorView& head : heads) {
    floats += static_cast<size_t>(head.n * head.image_size());
    out->anchors += kAnchorsPerCell * head.plane();
  }
  impl_->head_memory.resize(floats);
  float* memory = impl_->head_memory.data();
  for (TensorView& head : heads) {
    head.data = memory;
    memory += head.n * head.image_size();
  }
  const int64_t shape[] = {input.n, input.h, input.w};
  GPEN_RETURN_IF_ERROR(
      impl_->planned.run(shape, std::span(&input, 1), heads,
                         [&](Exec& exec, std::span<const TensorView> in, std::span<const TensorView> levels) {
                           return impl_->weights->run(exec, in[0], levels);
                         }));
  const auto all = static_cast<size_t>(input.n * out->anchors);
  out->loc.resize(all * kLoc);
  out->conf.resize(all * kConf);
  out->landms.resize(all * kLandmarks);
  int64_t first = 0;
  for (const TensorView& head : heads) {
    store_heads(impl_->planned.pool(), head, first, out);
    first += kAnchorsPerCell * head.plane();
  }
  return Status();
}

}  // namespace gpen
