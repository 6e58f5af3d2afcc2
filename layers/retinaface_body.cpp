#include "layers/retinaface_body.h"

#include <string>
#include <vector>

#include "kernels/max_pool.h"
#include "layers/conv_bn.h"

namespace gpen {

namespace {

// ---- ResNet-50 ------------------------------------------------------------------------------------------------------

struct Bottleneck {
  Conv2dWeights reduce, middle, expand, downsample;
  int64_t width = 0, stride = 1;
  bool has_downsample = false;
};

class Resnet50 : public RetinaFaceBody {
 public:
  static Result<std::unique_ptr<RetinaFaceBody>> load(const WeightStore& store, const Placement& at) {
    auto net = std::make_unique<Resnet50>();
    const ConvGeometry stem{.in_channels = 3, .out_channels = 64, .kernel_h = 7, .kernel_w = 7, .stride = 2, .pad = 3};
    GPEN_ASSIGN(net->stem_, load_conv(store, {"body.conv1", "body.bn1"}, stem, at));
    int64_t channels = 64;
    for (size_t layer = 0; layer < 4; ++layer)
      for (int i = 0; i < kBlocks[layer]; ++i) {
        const std::string name = concat("body.layer", layer + 1, ".", i);
        GPEN_ASSIGN(Bottleneck block, load_bottleneck(store, name, channels, int64_t{64} << layer,
                                                      i == 0 && layer > 0 ? 2 : 1, i == 0, at));
        net->layers_[layer].push_back(std::move(block));
        channels = kExpansion * (int64_t{64} << layer);
      }
    return std::unique_ptr<RetinaFaceBody>(std::move(net));
  }

  std::array<int64_t, 3> channels() const override { return {512, 1024, 2048}; }

  Status run(Exec& exec, Activation input, Levels* out) const override {
    Activation stem(exec, input->n, 64, ceil_div(input->h, 2), ceil_div(input->w, 2));
    apply(exec, stem_, *input, 0.0f, *stem);
    input = Activation();
    Activation x(exec, stem->n, 64, ceil_div(stem->h, 2), ceil_div(stem->w, 2));
    GPEN_RETURN_IF_ERROR(max_pool(exec, *stem, 3, 2, 1, *x));
    stem = Activation();
    for (const Bottleneck& b : layers_[0]) x = run_block(exec, b, std::move(x));
    for (size_t level = 0; level < 3; ++level) {
      // The first block of a layer leaves its input alone, which is the level before.
      const TensorView& from = level == 0 ? *x : *(*out)[level - 1];
      Activation y = run_first(exec, layers_[level + 1][0], from);
      if (level == 0) x = Activation();
      for (size_t i = 1; i < layers_[level + 1].size(); ++i) y = run_block(exec, layers_[level + 1][i], std::move(y));
      (*out)[level] = std::move(y);
    }
    return Status();
  }

 private:
  static constexpr int64_t kExpansion = 4;
  static constexpr int kBlocks[4] = {3, 4, 6, 3};

  static Result<Bottleneck> load_bottleneck(const WeightStore& store, const std::string& name, int64_t in,
                                            int64_t width, int stride, bool downsample, const Placement& at) {
    const ConvGeometry one{.in_channels = in, .out_channels = width, .kernel_h = 1, .kernel_w = 1, .pad = 0};
    ConvGeometry middle{.in_channels = width, .out_channels = width}, expand = one, shortcut = one;
    middle.stride = stride;
    expand.in_channels = width;
    expand.out_channels = shortcut.out_channels = width * kExpansion;
    shortcut.stride = stride;
    Bottleneck b;
    b.width = width;
    b.stride = stride;
    b.has_downsample = downsample;
    GPEN_ASSIGN(b.reduce, load_conv(store, {name + ".conv1", name + ".bn1"}, one, at));
    GPEN_ASSIGN(b.middle, load_conv(store, {name + ".conv2", name + ".bn2"}, middle, at));
    GPEN_ASSIGN(b.expand, load_conv(store, {name + ".conv3", name + ".bn3"}, expand, at));
    if (downsample) {
      GPEN_ASSIGN(b.downsample, load_conv(store, {name + ".downsample.0", name + ".downsample.1"}, shortcut, at));
    }
    return b;
  }

  // ReLU(expand(middle(reduce(x))) + shortcut), written over the shortcut.
  static void run_branch(Exec& exec, const Bottleneck& b, const TensorView& x, const TensorView& shortcut) {
    Activation reduced(exec, x.n, b.width, x.h, x.w), filtered(exec, x.n, b.width, shortcut.h, shortcut.w);
    apply(exec, b.reduce, x, 0.0f, *reduced);
    apply(exec, b.middle, *reduced, 0.0f, *filtered);
    apply_residual(exec, b.expand, *filtered, shortcut, 0.0f, shortcut);
  }
  static Activation run_first(Exec& exec, const Bottleneck& b, const TensorView& x) {
    Activation y(exec, x.n, b.width * kExpansion, ceil_div(x.h, b.stride), ceil_div(x.w, b.stride));
    apply(exec, b.downsample, x, 1.0f, *y);
    run_branch(exec, b, x, *y);
    return y;
  }
  static Activation run_block(Exec& exec, const Bottleneck& b, Activation x) {
    if (b.has_downsample) return run_first(exec, b, *x);
    run_branch(exec, b, *x, *x);
    return x;
  }

  Conv2dWeights stem_;
  std::array<std::vector<Bottleneck>, 4> layers_;
};

// ---- MobileNetV1 x 0.25
// ----------------------------------------------------------------------------------------------

constexpr float kMobileSlope = 0.1f;

struct SeparableBlock {
  DepthwiseWeights depthwise;
  Conv2dWeights pointwise;
  int64_t out_channels = 0;
  int stride = 1;
};

class MobileNet025 : public RetinaFaceBody {
 public:
  static Result<std::unique_ptr<RetinaFaceBody>> load(const WeightStore& store, const Placement& at) {
    auto net = std::make_unique<MobileNet025>();
    const ConvGeometry stem{.in_channels = 3, .out_channels = kStem, .stride = 2};
    GPEN_ASSIGN(net->stem_, load_conv(store, {"body.stage1.0.0", "body.stage1.0.1"}, stem, at));
    int64_t channels = kStem;
    for (size_t stage = 0; stage < 3; ++stage)
      for (size_t i = 0; i < kStages[stage].size(); ++i) {
        const Shape& shape = kStages[stage][i];
        // The first stage's stem is its block 0.
        const std::string name = concat("body.stage", stage + 1, ".", stage == 0 ? i + 1 : i);
        SeparableBlock b;
        b.out_channels = shape.out_channels;
        b.stride = shape.stride;
        GPEN_ASSIGN(b.depthwise, load_depthwise(store, {name + ".0", name + ".1"}, channels, 3, at));
        const ConvGeometry g{
            .in_channels = channels, .out_channels = b.out_channels, .kernel_h = 1, .kernel_w = 1, .pad = 0};
        GPEN_ASSIGN(b.pointwise, load_conv(store, {name + ".3", name + ".4"}, g, at));
        channels = b.out_channels;
        net->stages_[stage].push_back(std::move(b));
      }
    return std::unique_ptr<RetinaFaceBody>(std::move(net));
  }

  std::array<int64_t, 3> channels() const override { return {64, 128, 256}; }

  Status run(Exec& exec, Activation input, Levels* out) const override {
    Activation x(exec, input->n, kStem, ceil_div(input->h, 2), ceil_div(input->w, 2));
    apply(exec, stem_, *input, kMobileSlope, *x);
    input = Activation();
    for (size_t stage = 0; stage < 3; ++stage) {
      const TensorView* from = stage == 0 ? &*x : &*(*out)[stage - 1];
      Activation y;
      for (const SeparableBlock& b : stages_[stage]) {
        Activation filtered(exec, from->n, from->c, ceil_div(from->h, b.stride), ceil_div(from->w, b.stride));
        GPEN_RETURN_IF_ERROR(depthwise_conv2d(exec, b.depthwise, *from, b.stride, kMobileSlope, *filtered));
        y = Activation(exec, filtered->n, b.out_channels, filtered->h, filtered->w);
        apply(exec, b.pointwise, *filtered, kMobileSlope, *y);
        from = &*y;
      }
      (*out)[stage] = std::move(y);
      if (stage == 0) x = Activation();
    }
    return Status();
  }

 private:
  struct Shape {
    int64_t out_channels;
    int stride;
  };
  static constexpr int64_t kStem = 8;
  static const std::array<std::vector<Shape>, 3> kStages;

  Conv2dWeights stem_;
  std::array<std::vector<SeparableBlock>, 3> stages_;
};

const std::array<std::vector<MobileNet025::Shape>, 3> MobileNet025::kStages = {{
    {{16, 1}, {32, 2}, {32, 1}, {64, 2}, {64, 1}},
    {{128, 2}, {128, 1}, {128, 1}, {128, 1}, {128, 1}, {128, 1}},
    {{256, 2}, {256, 1}},
}};

}  // namespace

Result<std::unique_ptr<RetinaFaceBody>> RetinaFaceBody::load(const WeightStore& store,
                                                             RetinaFaceArch::Backbone backbone, const Placement& at) {
  return backbone == RetinaFaceArch::Backbone::resnet50 ? Resnet50::load(store, at) : MobileNet025::load(store, at);
}

}  // namespace gpen
