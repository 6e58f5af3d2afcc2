// One convolution with random data, as GPEN runs it: modulated and demodulated in the decoder, with the encoder's half
// computed in the prologue; bias and activation everywhere.
#pragma once
#include <memory>

#include "bench/problems.h"
#include "kernels/upconv2d.h"

namespace gpen::bench {

// Every algorithm that may be forced, in the order of the table.
inline constexpr ConvAlgorithm kAlgorithms[] = {ConvAlgorithm::direct, ConvAlgorithm::winograd4x4,
                                                ConvAlgorithm::nested3x2};

// Owns inputs, weights and the output of a problem. The same seed gives the same data.
struct LayerData {
  Problem problem;
  std::vector<float> weight;               // out x in x 3 x 3
  double scale = 1;                        // equalised learning rate
  std::vector<float> bias;                 // out
  std::vector<float> style, demodulation;  // padded to blocks, each part of the input by itself; empty: none
  std::vector<float> feature_bias;         // padded to blocks
  float feature_gain = 1;
  AlignedBuffer x_memory, feature_memory, y_memory, pixels;
  std::vector<float> stem_weight;  // packed; empty: no stem
  TensorView x, feature, y;        // blocked; what the stem computes has no data, only a shape

  // What comes from the encoder.
  const TensorView& encoded() const { return problem.feature > 0 ? feature : x; }

  ConvInput input() const;
  ConvEpilogue epilogue() const;
};
// bare: without modulation, bias, activation and stem, all channels in x; for comparison with plain convolutions.
// Code::memory.
Result<LayerData> make_layer_data(const Problem& p, bool bare, ThreadPool& pool, uint32_t seed = 1);

// The data's weights packed for one algorithm, and the memory to run it. Refers to `data` and `pool`.
class Layer {
 public:
  // Code::usage when the algorithm cannot do the problem, or not in this precision.
  static Result<Layer> make(LayerData& data, ConvAlgorithm algorithm, ThreadPool& pool,
                            Precision precision = Precision::fp32);
  void run();
  ConvAlgorithm algorithm() const;
  // Bytes that have to be moved at least once: input, weights as packed, output.
  double compulsory_bytes() const;

 private:
  void forward();
  LayerData* data_ = nullptr;
  ThreadPool* pool_ = nullptr;
  Conv2dWeights conv_;
  UpConv2dWeights up_;
  std::unique_ptr<Workspace> ws_;
};

}  // namespace gpen::bench
