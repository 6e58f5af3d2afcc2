// What a MODEL argument stands for: a name from the catalogue, a .safetensors, a .pth, or an analytic network.
#pragma once
#include <memory>
#include <string>

#include "layers/network_run.h"
#include "weights/synth.h"
#include "weights/weight_store.h"

namespace gpen::app {

// "identity", "negative" and "sharpen": GPENs whose weights are written down by hand, made in memory.
bool is_analytic(const std::string& model);
// side: 256, 512, 1024 or 2048.
Result<WeightStore> analytic_model(const std::string& model, int side);

// A catalogue name that is installed, or a file. Code::model says where a missing model was looked for and how to get
// it; a name with a '/' or a '.' in it is a file.
Result<WeightStore> open_model(const std::string& model);

// A network from a MODEL argument. Code::model when the weights are those of another network.
template <class Net>
Result<std::shared_ptr<Net>> load_network(const std::string& model, const Processor& where) {
  GPEN_ASSIGN(const WeightStore store, open_model(model));
  GPEN_ASSIGN(Net net, Net::load(store, where));
  return std::make_shared<Net>(std::move(net));
}

// Shown when the analytic `sharpen` stands in for the trained network.
extern const char* const kNotTrainedNotice;

}  // namespace gpen::app
