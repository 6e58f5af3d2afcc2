// Packed weights of the device's convolutions (conv2d.cu), made on the host.
//
// The convolution is a matrix product: rows are output pixels, columns output channels, and the inner dimension runs
// over the taps and, within each, over the input channels in chunks of 128 bytes, those of x first, then the feature's:
// both parts are rounded up to whole chunks with zero weights. An output channel's weights are divided by a power of
// two, `scale`, which brings the largest into [1/2, 1): half precision can neither overflow nor lose them.
#pragma once
#include <vector>

#include "runtime/precision.h"
#include "runtime/workspace.h"

namespace gpen {

struct GpuConvWeights {
  static constexpr int kChunkBytes = 128;
  static constexpr int kOutMultiple = 64;
  Precision precision = Precision::fp32;
  int64_t x_channels = 0, feature_channels = 0, out_channels = 0;
  int64_t x_chunks = 0, feature_chunks = 0;
  int64_t out_padded = 0;  // out_channels rounded up to kOutMultiple
  int64_t taps = 0;
  DeviceBuffer weights;  // [tap][chunk][out_padded][128 bytes]
  DeviceBuffer scale;    // [out_padded], f32
  DeviceBuffer bias;     // [out_padded], f32, zero where there is none

  int64_t chunk_channels() const { return kChunkBytes / size_of(storage_of(precision)); }
  int64_t chunks() const { return x_chunks + feature_chunks; }
  size_t bytes() const { return weights.bytes() + scale.bytes() + bias.bytes(); }

  // weight: OIHW, out_channels x in_channels x kernel_h x kernel_w, times weight_scale; tap ky * kernel_w + kx. split:
  // how many of the in_channels are x's; 0: all. Code::memory; Code::device when the device cannot do the precision.
  static Result<GpuConvWeights> pack(int64_t in_channels, int64_t out_channels, int kernel_h, int kernel_w,
                                     const float* weight, double weight_scale, const std::vector<float>& bias,
                                     const Placement& at, int64_t split, Precision precision);
};

}  // namespace gpen
