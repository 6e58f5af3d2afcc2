// Inside upconv2d: packed weights and the two implementations.
#pragma once
#include "kernels/transform_gemm.h"
#include "kernels/upconv2d.h"

namespace gpen {

struct UpConv2dWeights::Impl {
  static constexpr int kPhases = 4;
  ConvAlgorithm algorithm = ConvAlgorithm::direct;
  const IsaKernels* isa = nullptr;
  InputBlocks in;
  int64_t out_channels = 0;
  Panels panels;
  DirectWeights phase[kPhases];  // direct: (row parity, column parity) 00, 01, 10, 11
  TransformWeights nested;       // nested3x2
  std::vector<float> bias;
  GpuConvWeights gpu;  // on a device: instead of the packed weights above
};

void upconv2d_direct(Exec& exec, const UpConv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y);
void upconv2d_nested(Exec& exec, const UpConv2dWeights::Impl& w, const ConvInput& in, const ConvEpilogue& ep,
                     TensorView y);

// The epilogue of output block b of image n.
inline Epilogue upsample_epilogue(const UpConv2dWeights::Impl& w, const ConvEpilogue& ep, const TensorView& y,
                                  int64_t n, int64_t b) {
  return {ep.out_scale != nullptr ? ep.out_scale + (n * y.blocks() + b) * kBlock : nullptr,
          w.bias.empty() ? nullptr : w.bias.data() + b * kBlock,
          ep.slope,
          ep.gain,
          1,
          1};
}

}  // namespace gpen
