#include <cmath>

#include "weights/synth_kinds.h"

namespace gpen {
namespace {

constexpr double kPair = 1.2;        // lrelu(v) - lrelu(-v) = 1.2 v
constexpr double kPairTwice = 1.04;  // lrelu(lrelu(v)) - lrelu(lrelu(-v)) = 1.04 v

class AnalyticGpen {
 public:
  AnalyticGpen(const GpenArch& arch, std::vector<double> gains) : arch_(arch), gains_(std::move(gains)) {
    for (auto& [name, shape] : tensor_list(arch)) {
      size_t count = 1;
      for (int64_t d : shape) count *= static_cast<size_t>(d);
      std::vector<float> values = is_blur_kernel(name) ? blur_kernel(name) : std::vector<float>(count, 0.0f);
      const bool one =
          name.find(".noise.weight") != std::string::npos || name.find(".modulation.bias") != std::string::npos;
      if (one) values.assign(count, 1.0f);
      tensors_[name] = {shape, std::move(values)};
    }
    carry();
    pick_up();
  }

  WeightStore store() && {
    WeightStore store;
    for (auto& [name, tensor] : tensors_) store.add(name, tensor.first, std::move(tensor.second));
    return store;
  }

 private:
  std::vector<float>& values(const std::string& name) { return tensors_.at(name).second; }

  // Step 1: the encoder down to the last level that is picked up.
  void carry() {
    std::vector<float>& first = values("ecd0.0.0.weight");
    const auto root3 = static_cast<float>(std::sqrt(3.0));
    for (int c = 0; c < 3; ++c) {
      first[c * 3 + c] = root3;
      first[(c + 3) * 3 + c] = -root3;
    }
    int in = arch_.channels.back();
    for (size_t k = 1; k < gains_.size(); ++k) {
      std::vector<float>& w = values("ecd" + std::to_string(k) + ".0.1.weight");
      const auto gain = static_cast<float>(std::sqrt(9.0 * in) / (kPair * std::sqrt(2.0)));
      const auto centre = [&](int out, int from) -> float& {
        return w[static_cast<size_t>((out * in + from) * 9 + 4)];
      };
      for (int c = 0; c < 3; ++c) {
        centre(c, c) = centre(c + 3, c + 3) = gain;
        centre(c, c + 3) = centre(c + 3, c) = -gain;
      }
      in = arch_.channels[arch_.channels.size() - 1 - k];
    }
  }

  // Step 2: to_rgb of the finest levels. Its weight is 3 x 2C; the feature takes the second C channels.
  void pick_up() {
    for (size_t k = 0; k < gains_.size(); ++k) {
      const int level = arch_.levels() - 1 - static_cast<int>(k);
      const std::string name = level == 0 ? "generator.to_rgb1" : "generator.to_rgbs." + std::to_string(level - 1);
      std::vector<float>& w = values(name + ".conv.weight");
      const int c2 = 2 * arch_.channels[level];
      const auto gain = static_cast<float>(gains_[k] * std::sqrt(static_cast<double>(c2)) / (2.0 * kPairTwice));
      for (int c = 0; c < 3; ++c) {
        w[c * c2 + c2 / 2 + c] = gain;
        w[c * c2 + c2 / 2 + 3 + c] = -gain;
      }
    }
  }

  const GpenArch& arch_;
  std::vector<double> gains_;  // finest level first
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors_;
};

const char* kind_name(SynthKind kind) {
  const char* const names[] = {"formula", "identity", "negative", "sharpen"};
  return names[static_cast<int>(kind)];
}

}  // namespace

Result<WeightStore> detail::analytic_weights(const Architecture& arch, SynthKind kind) {
  const auto* gpen = std::get_if<GpenArch>(&arch);
  if (gpen == nullptr) {
    return fail(Code::usage, "analytic weights (", kind_name(kind), ") exist for GPEN only, not for ",
                family_name(arch));
  }
  if (gpen->in_size != gpen->out_size) {
    return fail(Code::usage, "analytic weights (", kind_name(kind), ") need one size for input and output, not ",
                gpen->in_size, " and ", gpen->out_size);
  }
  const std::vector<double> gains = kind == SynthKind::sharpen    ? std::vector<double>{1.8, -0.5, -0.3}
                                    : kind == SynthKind::negative ? std::vector<double>{-1.0}
                                                                  : std::vector<double>{1.0};
  if (gpen->levels() < static_cast<int>(gains.size())) {
    return fail(Code::usage, "analytic weights (sharpen) need a GPEN of at least 16 pixels");
  }
  for (size_t k = 0; k < gains.size(); ++k) {
    const size_t level = gpen->channels.size() - 1 - k;
    if (gpen->channels[level] < 6) {
      return fail(Code::usage, "analytic weights (", kind_name(kind), ") need 6 channels at ", 4 << level,
                  " pixels, this GPEN has ", gpen->channels[level]);
    }
  }
  return AnalyticGpen(*gpen, gains).store();
}

Architecture analytic_architecture(const Architecture& arch) {
  const auto* gpen = std::get_if<GpenArch>(&arch);
  if (gpen == nullptr) return arch;
  GpenArch small = *gpen;
  small.style_dim = 16;
  small.mlp_layers = 1;
  small.channels.assign(small.channels.size(), 16);
  small.encoder_channels.assign(small.encoder_channels.size(), 16);
  return small;
}

Result<WeightStore> synthesize(const Architecture& arch, SynthKind kind, const std::string& seed, ThreadPool* pool) {
  WeightStore store;
  if (kind == SynthKind::formula) {
    store = detail::formula_weights(arch, seed, pool);
    store.metadata["gpen.seed"] = seed;
  } else {
    GPEN_ASSIGN(store, detail::analytic_weights(arch, kind));
  }
  store.metadata.merge(architecture_metadata(arch));
  store.metadata["gpen.kind"] = kind_name(kind);
  store.source = concat(kind_name(kind), " weights of ", architecture_spec(arch));
  return store;
}

}  // namespace gpen
