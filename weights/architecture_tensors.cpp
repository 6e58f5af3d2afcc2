// The tensors of each network, in the order of the released checkpoints.
#include "weights/architecture.h"

namespace gpen {
namespace {

using Shape = std::vector<int64_t>;
using TensorList = std::vector<std::pair<std::string, Shape>>;

std::string numbered(const std::string& prefix, int i) { return prefix + std::to_string(i); }

// ---- GPEN ----

void modulated(TensorList* list, const std::string& prefix, int64_t in, int64_t out, int64_t k, bool blur, int style) {
  list->push_back({prefix + ".weight", {1, out, in, k, k}});
  if (blur) list->push_back({prefix + ".blur.kernel", {4, 4}});
  list->push_back({prefix + ".modulation.weight", {in, style}});
  list->push_back({prefix + ".modulation.bias", {in}});
}

void styled_conv(TensorList* list, const std::string& prefix, int64_t in, int64_t out, bool up, int style) {
  modulated(list, prefix + ".conv", in, out, 3, up, style);
  list->push_back({prefix + ".noise.weight", {1}});
  list->push_back({prefix + ".activate.bias", {2 * out}});
}

void to_rgb(TensorList* list, const std::string& prefix, int64_t in, bool up, int style) {
  list->push_back({prefix + ".bias", {1, 3, 1, 1}});
  if (up) list->push_back({prefix + ".upsample.kernel", {4, 4}});
  modulated(list, prefix + ".conv", in, 3, 1, false, style);
}

TensorList list_of(const GpenArch& a) {
  TensorList list;
  const int style = a.style_dim;
  for (int i = 1; i <= a.mlp_layers; ++i) {
    const std::string prefix = numbered("generator.style.", i);
    list.push_back({prefix + ".weight", {style, style}});
    list.push_back({prefix + ".bias", {style}});
  }
  list.push_back({"generator.input.input", {1, a.channels[0], 4, 4}});
  styled_conv(&list, "generator.conv1", a.channels[0], a.channels[0], false, style);
  to_rgb(&list, "generator.to_rgb1", 2 * a.channels[0], false, style);
  for (int i = 1; i < a.levels(); ++i) {
    const int64_t in = 2 * a.channels[i - 1], out = a.channels[i];
    styled_conv(&list, numbered("generator.convs.", 2 * i - 2), in, out, true, style);
    styled_conv(&list, numbered("generator.convs.", 2 * i - 1), 2 * out, out, false, style);
  }
  for (int i = 1; i < a.levels(); ++i) {
    to_rgb(&list, numbered("generator.to_rgbs.", i - 1), 2 * a.channels[i], true, style);
  }
  int64_t in = a.encoder_channels.back();
  list.push_back({"ecd0.0.0.weight", {in, 3, 1, 1}});
  list.push_back({"ecd0.0.1.bias", {in}});
  for (int k = 1; k < a.encoder_levels(); ++k) {
    const std::string prefix = numbered("ecd", k);
    const int64_t out = a.encoder_channels[a.encoder_levels() - 1 - k];
    list.push_back({prefix + ".0.0.kernel", {4, 4}});
    list.push_back({prefix + ".0.1.weight", {out, in, 3, 3}});
    list.push_back({prefix + ".0.2.bias", {out}});
    in = out;
  }
  list.push_back({"final_linear.0.weight", {style, in * 16}});
  list.push_back({"final_linear.0.bias", {style}});
  return list;
}

// ---- BatchNorm networks ----

void batch_norm(TensorList* list, const std::string& prefix, int64_t c) {
  for (const char* name : {".weight", ".bias", ".running_mean", ".running_var"}) list->push_back({prefix + name, {c}});
  list->push_back({prefix + ".num_batches_tracked", {}});
}

void conv_bn(TensorList* list, const std::string& conv, const std::string& norm, Shape shape) {
  const int64_t out = shape[0];
  list->push_back({conv + ".weight", std::move(shape)});
  batch_norm(list, norm, out);
}

void conv_bias(TensorList* list, const std::string& prefix, Shape shape) {
  const int64_t out = shape[0];
  list->push_back({prefix + ".weight", std::move(shape)});
  list->push_back({prefix + ".bias", {out}});
}

void resnet50(TensorList* list) {
  conv_bn(list, "body.conv1", "body.bn1", {64, 3, 7, 7});
  const int blocks[] = {3, 4, 6, 3};
  int64_t in = 64;
  for (int layer = 0; layer < 4; ++layer) {
    const int64_t mid = int64_t{64} << layer, out = 4 * mid;
    for (int b = 0; b < blocks[layer]; ++b) {
      const std::string prefix = numbered("body.layer", layer + 1) + numbered(".", b);
      conv_bn(list, prefix + ".conv1", prefix + ".bn1", {mid, in, 1, 1});
      conv_bn(list, prefix + ".conv2", prefix + ".bn2", {mid, mid, 3, 3});
      conv_bn(list, prefix + ".conv3", prefix + ".bn3", {out, mid, 1, 1});
      if (b == 0) conv_bn(list, prefix + ".downsample.0", prefix + ".downsample.1", {out, in, 1, 1});
      in = out;
    }
  }
}

void mobilenet025(TensorList* list) {
  conv_bn(list, "body.stage1.0.0", "body.stage1.0.1", {8, 3, 3, 3});
  const std::vector<int64_t> widths[] = {{8, 16, 32, 32, 64, 64}, {64, 128, 128, 128, 128, 128, 128}, {128, 256, 256}};
  for (int stage = 0; stage < 3; ++stage) {
    for (size_t b = 0; b + 1 < widths[stage].size(); ++b) {
      const int64_t in = widths[stage][b], out = widths[stage][b + 1];
      const int index = static_cast<int>(b) + (stage == 0 ? 1 : 0);  // stage 1 begins with the plain convolution
      const std::string prefix = numbered("body.stage", stage + 1) + numbered(".", index);
      conv_bn(list, prefix + ".0", prefix + ".1", {in, 1, 3, 3});
      conv_bn(list, prefix + ".3", prefix + ".4", {out, in, 1, 1});
    }
  }
}

TensorList list_of(const RetinaFaceArch& a) {
  TensorList list;
  const bool resnet = a.backbone == RetinaFaceArch::Backbone::resnet50;
  resnet ? resnet50(&list) : mobilenet025(&list);
  const int64_t w = a.fpn_width, first = resnet ? 512 : 64;
  for (int i = 1; i <= 3; ++i) {
    const std::string prefix = numbered("fpn.output", i);
    conv_bn(&list, prefix + ".0", prefix + ".1", {w, first << (i - 1), 1, 1});
  }
  for (int i = 1; i <= 2; ++i) {
    const std::string prefix = numbered("fpn.merge", i);
    conv_bn(&list, prefix + ".0", prefix + ".1", {w, w, 3, 3});
  }
  for (int i = 1; i <= 3; ++i) {
    const std::string p = numbered("ssh", i) + ".";
    conv_bn(&list, p + "conv3X3.0", p + "conv3X3.1", {w / 2, w, 3, 3});
    conv_bn(&list, p + "conv5X5_1.0", p + "conv5X5_1.1", {w / 4, w, 3, 3});
    for (const char* name : {"conv5X5_2", "conv7X7_2", "conv7x7_3"}) {
      conv_bn(&list, p + name + ".0", p + name + ".1", {w / 4, w / 4, 3, 3});
    }
  }
  const std::pair<const char*, int64_t> heads[] = {{"ClassHead.", 4}, {"BboxHead.", 8}, {"LandmarkHead.", 20}};
  for (const auto& [head, out] : heads) {
    for (int i = 0; i < 3; ++i) conv_bias(&list, numbered(head, i) + ".conv1x1", {out, w, 1, 1});
  }
  return list;
}

void parse_block(TensorList* list, const std::string& prefix, int64_t in, int64_t out, bool shortcut) {
  if (shortcut) conv_bias(list, prefix + ".shortcut_func.conv2d", {out, in, 3, 3});
  conv_bn(list, prefix + ".conv1.conv2d", prefix + ".conv1.norm.norm", {out, in, 3, 3});
  conv_bn(list, prefix + ".conv2.conv2d", prefix + ".conv2.norm.norm", {out, out, 3, 3});
}

TensorList list_of(const ParseNetArch& a) {
  TensorList list;
  conv_bias(&list, "encoder.0.conv2d", {a.down_channels[0], 3, 3, 3});
  int64_t in = a.down_channels[0];
  for (size_t i = 1; i < a.down_channels.size(); ++i) {
    parse_block(&list, numbered("encoder.", static_cast<int>(i)), in, a.down_channels[i], true);
    in = a.down_channels[i];
  }
  for (int i = 0; i < a.body_blocks; ++i) parse_block(&list, numbered("body.", i), in, in, false);
  for (size_t i = 0; i < a.up_channels.size(); ++i) {
    parse_block(&list, numbered("decoder.", static_cast<int>(i)), in, a.up_channels[i], true);
    in = a.up_channels[i];
  }
  conv_bias(&list, "out_img_conv.conv2d", {3, in, 3, 3});
  conv_bias(&list, "out_mask_conv.conv2d", {a.classes, in, 3, 3});
  return list;
}

TensorList list_of(const RrdbNetArch& a) {
  TensorList list;
  const int64_t f = a.features, g = a.growth, fold = 4 / a.scale;
  conv_bias(&list, "conv_first", {f, 3 * fold * fold, 3, 3});
  for (int b = 0; b < a.blocks; ++b) {
    for (int r = 1; r <= 3; ++r) {
      const std::string prefix = numbered("body.", b) + numbered(".rdb", r) + ".conv";
      for (int c = 1; c <= 5; ++c) conv_bias(&list, numbered(prefix, c), {c < 5 ? g : f, f + (c - 1) * g, 3, 3});
    }
  }
  for (const char* name : {"conv_body", "conv_up1", "conv_up2", "conv_hr"}) conv_bias(&list, name, {f, f, 3, 3});
  conv_bias(&list, "conv_last", {3, f, 3, 3});
  return list;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

std::vector<std::pair<std::string, std::vector<int64_t>>> tensor_list(const Architecture& arch) {
  return std::visit([](const auto& a) { return list_of(a); }, arch);
}

bool is_blur_kernel(const std::string& name) { return ends_with(name, "kernel"); }
bool is_counter(const std::string& name) { return ends_with(name, "num_batches_tracked"); }

std::vector<float> blur_kernel(const std::string& name) {
  const bool upsampling = ends_with(name, "upsample.kernel") || ends_with(name, "blur.kernel");
  const float scale = upsampling ? 4.0f / 64.0f : 1.0f / 64.0f;
  const float taps[] = {1, 3, 3, 1};
  std::vector<float> kernel;
  for (float row : taps) {
    for (float column : taps) kernel.push_back(row * column * scale);
  }
  return kernel;
}

}  // namespace gpen
