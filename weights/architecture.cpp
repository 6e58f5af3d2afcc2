// Reads the architecture from names and shapes: first the free numbers (sizes, widths, depths), then every tensor is
// compared with the list that these numbers imply.
#include "weights/architecture.h"

#include <cmath>
#include <cstdlib>
#include <functional>

#include "weights/dtype.h"

namespace gpen {
namespace {

constexpr int kWidthLimit = 16384;  // channels, style dimensions
constexpr int kDepthLimit = 1000;   // repeated blocks

// Reads dimension `axis` of a tensor whose other dimensions are given (-1: any), within [1, limit].
Result<int> width_of(const WeightStore& store, const std::string& name, const std::vector<int64_t>& shape,
                     size_t axis) {
  GPEN_ASSIGN(const WeightTensor* tensor, store.require(name, shape));
  const int64_t value = tensor->shape[axis];
  if (value < 1 || value > kWidthLimit) {
    return fail(Code::model, store.source, ": tensor ", name, " has shape ", tensor->shape_string(), ", a width of ",
                value, " is not possible here");
  }
  return static_cast<int>(value);
}

// How many of name(0), name(1), ... are present in a row.
int count_present(const WeightStore& store, const std::function<std::string(int)>& name) {
  int n = 0;
  while (n < kDepthLimit && store.find(name(n)) != nullptr) ++n;
  return n;
}

Status check_kernel(const WeightStore& store, const std::string& name) {
  GPEN_ASSIGN(const std::vector<float> values, store.floats(name));
  const std::vector<float> expected = blur_kernel(name);
  float largest = 0;
  for (float e : expected) largest = std::max(largest, e);
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::abs(values[i] - expected[i]) > 1e-3f * largest) {
      return fail(Code::model, store.source, ": tensor ", name, " is not the blur of this architecture: tap ", i,
                  " is ", values[i], ", expected ", expected[i]);
    }
  }
  return {};
}

Status check_tensors(const WeightStore& store, const Architecture& arch) {
  for (const auto& [name, shape] : tensor_list(arch)) {
    if (is_counter(name)) continue;
    const bool kernel = is_blur_kernel(name);
    if (kernel && store.find(name) == nullptr) continue;
    GPEN_ASSIGN(const WeightTensor* tensor, store.require(name, shape));
    if (!is_float(tensor->dtype)) {
      return fail(Code::model, store.source, ": tensor ", name, " holds ", dtype_name(tensor->dtype),
                  ", expected a float type");
    }
    if (kernel) GPEN_RETURN_IF_ERROR(check_kernel(store, name));
  }
  return {};
}

Status detect_gpen(const WeightStore& store, Architecture* arch) {
  GpenArch a;
  const auto number = [](int i) { return std::to_string(i); };
  a.mlp_layers = count_present(store, [&](int i) { return "generator.style." + number(i + 1) + ".weight"; });
  GPEN_ASSIGN(a.style_dim, width_of(store, "final_linear.0.weight", {-1, -1}, 0));

  const int ups = count_present(store, [&](int i) { return "generator.convs." + number(2 * i) + ".conv.weight"; });
  const int downs = count_present(store, [&](int i) { return "ecd" + number(i + 1) + ".0.1.weight"; });
  constexpr int kLevelLimit = 11;  // 4096 pixels
  if (ups > kLevelLimit - 1 || downs > ups) {
    return fail(Code::model, store.source, ": the encoder halves ", downs, " times (ecd1 to ecd", downs,
                ") and the decoder doubles ", ups, " times (generator.convs): no GPEN is like that");
  }
  GPEN_ASSIGN(const int first, width_of(store, "generator.conv1.conv.weight", {1, -1, -1, 3, 3}, 1));
  a.channels.push_back(first);
  for (int i = 0; i < ups; ++i) {
    const std::string name = "generator.convs." + number(2 * i) + ".conv.weight";
    GPEN_ASSIGN(const int width, width_of(store, name, {1, -1, -1, 3, 3}, 1));
    a.channels.push_back(width);
  }
  // Both convolutions of a level take the encoder's feature beside their own output, as wide as it: the encoder's
  // widths are the decoder's, and a difference shows as a tensor that does not fit.
  a.encoder_channels.assign(a.channels.begin(), a.channels.begin() + downs + 1);
  a.in_size = 4 << downs;
  a.out_size = 4 << ups;
  *arch = a;
  return {};
}

Status detect_retinaface(const WeightStore& store, Architecture* arch) {
  RetinaFaceArch a;
  a.backbone = store.find("body.conv1.weight") != nullptr ? RetinaFaceArch::Backbone::resnet50
                                                          : RetinaFaceArch::Backbone::mobilenet025;
  GPEN_ASSIGN(a.fpn_width, width_of(store, "fpn.output1.0.weight", {-1, -1, 1, 1}, 0));
  if (a.fpn_width % 4 != 0) {
    return fail(Code::model, store.source, ": tensor fpn.output1.0.weight gives ", a.fpn_width,
                " channels, expected a multiple of 4");
  }
  *arch = a;
  return {};
}

// The side is not in the shapes: metadata, or the published rule that the smallest feature map is 32x32.
int parsenet_size(const WeightStore& store, int downs) {
  const auto found = store.metadata.find("gpen.size");
  if (found != store.metadata.end()) {
    const long size = std::strtol(found->second.c_str(), nullptr, 10);
    if (size >= (1L << downs) && size <= 4096 && size % (1L << downs) == 0) return static_cast<int>(size);
  }
  return 32 << downs;
}

Status detect_parsenet(const WeightStore& store, Architecture* arch) {
  ParseNetArch a;
  const auto block = [](const char* part, int i) { return part + std::to_string(i) + ".conv1.conv2d.weight"; };
  const int downs = count_present(store, [&](int i) { return block("encoder.", i + 1); });
  const int ups = count_present(store, [&](int i) { return block("decoder.", i); });
  a.body_blocks = count_present(store, [&](int i) { return block("body.", i); });
  if (downs != ups || downs > 7) {
    return fail(Code::model, store.source, ": ", downs, " blocks (encoder) halve and ", ups,
                " (decoder) double: no ParseNet is like that");
  }
  GPEN_ASSIGN(const int first, width_of(store, "encoder.0.conv2d.weight", {-1, 3, 3, 3}, 0));
  a.down_channels.push_back(first);
  for (int i = 1; i <= downs; ++i) {
    GPEN_ASSIGN(const int width, width_of(store, block("encoder.", i), {-1, -1, 3, 3}, 0));
    a.down_channels.push_back(width);
  }
  for (int i = 0; i < ups; ++i) {
    GPEN_ASSIGN(const int width, width_of(store, block("decoder.", i), {-1, -1, 3, 3}, 0));
    a.up_channels.push_back(width);
  }
  GPEN_ASSIGN(a.classes, width_of(store, "out_mask_conv.conv2d.weight", {-1, -1, 3, 3}, 0));
  a.size = parsenet_size(store, downs);
  *arch = a;
  return {};
}

Status detect_rrdbnet(const WeightStore& store, Architecture* arch) {
  RrdbNetArch a;
  GPEN_ASSIGN(a.features, width_of(store, "conv_first.weight", {-1, -1, 3, 3}, 0));
  GPEN_ASSIGN(const int folded, width_of(store, "conv_first.weight", {-1, -1, 3, 3}, 1));
  a.scale = folded == 48 ? 1 : folded == 12 ? 2 : folded == 3 ? 4 : 0;
  if (a.scale == 0) {
    return fail(Code::model, store.source, ": tensor conv_first.weight takes ", folded,
                " channels, expected 48 (x1), 12 (x2) or 3 (x4)");
  }
  GPEN_ASSIGN(a.growth, width_of(store, "body.0.rdb1.conv1.weight", {-1, -1, 3, 3}, 0));
  a.blocks = count_present(store, [](int i) { return "body." + std::to_string(i) + ".rdb1.conv1.weight"; });
  *arch = a;
  return {};
}

}  // namespace

Result<Architecture> detect_architecture(const WeightStore& store) {
  const auto has = [&](const char* name) { return store.find(name) != nullptr; };
  const auto detect = has("generator.conv1.conv.weight") || has("generator.input.input") || has("ecd0.0.0.weight")
                          ? detect_gpen
                      : has("fpn.output1.0.weight") || has("ClassHead.0.conv1x1.weight")     ? detect_retinaface
                      : has("out_mask_conv.conv2d.weight") || has("encoder.0.conv2d.weight") ? detect_parsenet
                      : has("conv_first.weight") || has("body.0.rdb1.conv1.weight")          ? detect_rrdbnet
                                                                                             : nullptr;
  if (detect == nullptr) {
    return fail(Code::model, store.source, ": none of its ", store.tensors.size(),
                " tensors belongs to a known network (tried GPEN, RetinaFace, ParseNet, RRDBNet)");
  }
  Architecture arch;
  GPEN_RETURN_IF_ERROR(detect(store, &arch));
  GPEN_RETURN_IF_ERROR(check_tensors(store, arch));
  return arch;
}

}  // namespace gpen
