#include "layers/gpen_weights.h"

#include <cmath>
#include <utility>

#include "kernels/rgb_stem.h"
#include "layers/gpen_algorithms.h"

namespace gpen {

// What is loaded from, and for where.
struct GpenWeights::Source {
  const WeightStore& store;
  const Placement at;
  const TransformFrom transforms;
  ConvAlgorithm choose(int resolution, int first, int64_t in_channels, int64_t out_channels) const {
    return at.device != nullptr ? ConvAlgorithm::automatic
                                : choose_algorithm(resolution, first, in_channels, out_channels);
  }
};

Status GpenWeights::load_encoder(const Source& from) {
  const WeightStore& store = from.store;
  // On the processor the encoder stays in fp32: an eighth of the work, three quarters of bf16's error.
  const Precision encoder_precision = from.at.device != nullptr ? from.at.precision : Precision::fp32;
  const int levels = arch.encoder_levels();
  auto width = [&](int k) -> int64_t { return arch.encoder_channels[static_cast<size_t>(levels - 1 - k)]; };
  GPEN_ASSIGN(auto stem_weight, store.floats("ecd0.0.0.weight", {width(0), 3, 1, 1}));
  GPEN_ASSIGN(auto stem_bias, store.floats("ecd0.0.1.bias", {width(0)}));
  GPEN_ASSIGN(ecd0, ParameterVector::make(
                        from.at, pack_rgb_stem(width(0), stem_weight.data(), 1 / std::sqrt(3.0), stem_bias.data())));
  for (int k = 1; k < levels; ++k) {
    const std::string name = "ecd" + std::to_string(k);
    ConvGeometry g;
    g.in_channels = width(k - 1);
    g.out_channels = width(k);
    g.pad = 0;
    g.stride = 2;
    g.blur_pad = 2;
    GPEN_ASSIGN(const FloatView weight, store.view(name + ".0.1.weight", {g.out_channels, g.in_channels, 3, 3}));
    GPEN_ASSIGN(auto bias, store.floats(name + ".0.2.bias", {g.out_channels}));
    const double scale = 1 / std::sqrt(9.0 * static_cast<double>(g.in_channels));
    const auto algorithm = from.choose(4 << (levels - 1 - k), from.transforms.encoder, g.in_channels, g.out_channels);
    GPEN_ASSIGN(auto packed,
                Conv2dWeights::pack(g, weight.data(), scale, bias, from.at, algorithm, 0, encoder_precision));
    store.release_pages(name + ".0.1.weight");
    ecd.push_back(std::move(packed));
  }
  const int64_t flat = static_cast<int64_t>(arch.encoder_channels[0]) * 16;
  GPEN_ASSIGN(const FloatView weight, store.view("final_linear.0.weight", {arch.style_dim, flat}));
  GPEN_ASSIGN(auto bias, store.floats("final_linear.0.bias", {arch.style_dim}));
  GPEN_ASSIGN(final_linear, LinearWeights::pack(weight.data(), arch.style_dim, flat,
                                                1 / std::sqrt(static_cast<double>(flat)), bias, 1, from.at));
  store.release_pages("final_linear.0.weight");
  constexpr double kLrMul = 0.01;
  for (int i = 1; i <= arch.mlp_layers; ++i) {
    const std::string name = "generator.style." + std::to_string(i);
    GPEN_ASSIGN(const FloatView w, store.view(name + ".weight", {arch.style_dim, arch.style_dim}));
    GPEN_ASSIGN(auto b, store.floats(name + ".bias", {arch.style_dim}));
    GPEN_ASSIGN(auto packed,
                LinearWeights::pack(w.data(), arch.style_dim, arch.style_dim,
                                    kLrMul / std::sqrt(static_cast<double>(arch.style_dim)), b, kLrMul, from.at));
    store.release_pages(name + ".weight");
    style.push_back(std::move(packed));
  }
  return Status();
}

Status GpenWeights::load_decoder(const Source& from) {
  const WeightStore& store = from.store;
  const int64_t c0 = arch.channels[0];
  GPEN_ASSIGN(auto input, store.floats("generator.input.input", {1, c0, 4, 4}));
  GPEN_ASSIGN(constant, ParameterVector::make(from.at, std::move(input)));

  auto add_conv = [&](const std::string& name, ActivationChannels in, int64_t out, bool up, int resolution) -> Status {
    const auto algorithm = from.choose(resolution, up ? from.transforms.up : from.transforms.conv, in.total(), out);
    GPEN_ASSIGN(auto conv, StyledConv::load(store, name, in, out, arch.style_dim, up, algorithm, from.at));
    convs.push_back(std::move(conv));
    names.push_back(name);
    return Status();
  };
  auto add_rgb = [&](const std::string& name, int64_t channels) -> Status {
    GPEN_ASSIGN(auto rgb, ToRgb::load(store, name, {channels, channels}, arch.style_dim, from.at));
    to_rgbs.push_back(std::move(rgb));
    return Status();
  };
  GPEN_RETURN_IF_ERROR(add_conv("generator.conv1", {c0, 0}, c0, false, 4));
  GPEN_RETURN_IF_ERROR(add_rgb("generator.to_rgb1", c0));
  for (int i = 1; i < arch.levels(); ++i) {
    const int64_t in = arch.channels[static_cast<size_t>(i - 1)], out = arch.channels[static_cast<size_t>(i)];
    const std::string prefix = "generator.convs.";
    GPEN_RETURN_IF_ERROR(add_conv(prefix + std::to_string(2 * i - 2), {in, in}, out, true, 4 << i));
    GPEN_RETURN_IF_ERROR(add_conv(prefix + std::to_string(2 * i - 1), {out, out}, out, false, 4 << i));
    GPEN_RETURN_IF_ERROR(add_rgb("generator.to_rgbs." + std::to_string(i - 1), out));
  }
  return Status();
}

Result<std::shared_ptr<const GpenWeights>> GpenWeights::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(const Architecture detected, detect_architecture(store));
  const GpenArch* gpen = std::get_if<GpenArch>(&detected);
  if (gpen == nullptr) return fail(Code::model, store.source, ": is ", describe(detected), ", not a GPEN");
  if (static_cast<size_t>(gpen->levels()) > kMaxLevels)
    return fail(Code::model, store.source, ": output size ", gpen->out_size, " is out of range");
  const auto weights = std::make_shared<GpenWeights>();
  weights->arch = *gpen;
  const Source from{store, where.placement(), where.precision == Precision::bf16 ? kBf16From : kFp32From};
  GPEN_RETURN_IF_ERROR(weights->load_encoder(from));
  GPEN_RETURN_IF_ERROR(weights->load_decoder(from));
  return std::shared_ptr<const GpenWeights>(weights);
}

size_t GpenWeights::packed_bytes() const {
  size_t bytes = final_linear.packed_bytes() + ecd0.size() * sizeof(float);
  for (const auto& w : ecd) bytes += w.packed_bytes();
  for (const auto& w : style) bytes += w.packed_bytes();
  for (const auto& w : convs) bytes += w.packed_bytes();
  for (const auto& w : to_rgbs) bytes += w.packed_bytes();
  return bytes;
}

}  // namespace gpen
