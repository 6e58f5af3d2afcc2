// The four networks behind one face, fed with a fixed input, for `gpen bench`.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "layers/network.h"
#include "layers/network_run.h"
#include "weights/weight_store.h"

namespace gpen::app {

class BenchNetwork {
 public:
  virtual ~BenchNetwork() = default;
  // Whichever network the weights are. Code::model when they are none.
  static Result<std::unique_ptr<BenchNetwork>> load(const WeightStore& store, const Processor& where);

  // Makes the input: formula values of a GPEN's or ParseNet's own side, 640 x 640 for a detector, 256 x 256 for an
  // upscaler. Code::usage when the network takes one image at a time and batch is more.
  virtual Status prepare(int batch) = 0;
  // times may be null; only for networks that report their layers.
  virtual Status forward(std::vector<LayerTime>* times) = 0;
  virtual const std::vector<float>& output() const = 0;
  virtual bool reports_layers() const { return false; }
  const std::string& input_shape() const { return input_shape_; }

 protected:
  // Fills `values` and sets input_shape().
  TensorView make_input(int64_t n, int64_t h, int64_t w, double scale, std::vector<float>* values);

 private:
  std::string input_shape_;
};

}  // namespace gpen::app
