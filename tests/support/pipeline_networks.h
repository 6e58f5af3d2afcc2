// Networks for tests of the pipeline.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "convert/checkpoint.h"
#include "pipeline/restore.h"
#include "support/shared_data.h"
#include "weights/synth.h"

namespace gpen::test {

inline std::shared_ptr<ThreadPool> shared_pool() {
  static const auto pool = std::make_shared<ThreadPool>(2);
  return pool;
}

// A network of the shared data; null (and a failed test) when it cannot be loaded.
template <class Net>
std::shared_ptr<Net> network(const std::string& file) {
  auto store = open_weights(shared_file(file));
  if (!store.ok()) {
    ADD_FAILURE() << store.status().message();
    return nullptr;
  }
  auto net = Net::load(*store, shared_pool());
  if (!net.ok()) {
    ADD_FAILURE() << net.status().message();
    return nullptr;
  }
  return std::make_shared<Net>(std::move(net).value());
}

// Weights written down by hand (or formula weights), by the name of the architecture.
inline std::shared_ptr<GpenNet> analytic(SynthKind kind, const std::string& architecture) {
  const auto store = synthesize(*parse_architecture(architecture), kind);
  if (!store.ok()) {
    ADD_FAILURE() << store.status().message();
    return nullptr;
  }
  auto net = GpenNet::load(*store, shared_pool());
  if (!net.ok()) {
    ADD_FAILURE() << net.status().message();
    return nullptr;
  }
  return std::make_shared<GpenNet>(std::move(net).value());
}

// A background upscaler of formula weights, as small as they come; on the processor or a device.
inline std::shared_ptr<RrdbNet> small_upscaler(int scale, const Processor& where) {
  RrdbNetArch arch;
  arch.scale = scale;
  arch.features = arch.growth = 16;
  arch.blocks = 1;
  auto store = synthesize(Architecture(arch), SynthKind::formula, "background.");
  if (!store.ok()) {
    ADD_FAILURE() << store.status().message();
    return nullptr;
  }
  // Formula weights answer with values around 0, half of which would be cut off: 0.5 on the last bias keeps them.
  const std::vector<float> bias(3, 0.5f);
  store->add("conv_last.bias", {3}, bias);
  auto net = RrdbNet::load(*store, where);
  if (!net.ok()) {
    ADD_FAILURE() << net.status().message();
    return nullptr;
  }
  return std::make_shared<RrdbNet>(std::move(net).value());
}

// A face parser of formula weights, on the processor or a device.
inline std::shared_ptr<ParseNet> small_parser(int side, const Processor& where) {
  ParseNetArch arch;
  arch.size = side;
  arch.down_channels = {16, 24};
  arch.body_blocks = 1;
  arch.up_channels = {16};
  const auto store = synthesize(Architecture(arch), SynthKind::formula);
  if (!store.ok()) {
    ADD_FAILURE() << store.status().message();
    return nullptr;
  }
  auto net = ParseNet::load(*store, where);
  if (!net.ok()) {
    ADD_FAILURE() << net.status().message();
    return nullptr;
  }
  return std::make_shared<ParseNet>(std::move(net).value());
}

// lambda 0: the network's output as it is.
inline RestoreOptions published() {
  RestoreOptions o;
  o.lambda_id = 0;
  return o;
}

}  // namespace gpen::test
