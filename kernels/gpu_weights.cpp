#include "kernels/gpu_weights.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/bfloat16.h"
#include "runtime/float16.h"
#include "runtime/gpu/cuda_device.h"
#include "runtime/tf32.h"

namespace gpen {

namespace {

void store(Precision precision, float v, int64_t index, std::byte* row) {
  if (storage_of(precision) == ElementType::f32) {
    const uint32_t bits = precision == Precision::tf32 ? float_to_tf32(v) : std::bit_cast<uint32_t>(v);
    std::memcpy(row + 4 * index, &bits, 4);
  } else {
    const uint16_t bits = precision == Precision::bf16 ? float_to_bfloat16(v) : float_to_half(v);
    std::memcpy(row + 2 * index, &bits, 2);
  }
}

// The smallest power of two above every |weight|; 1 for a channel of zeros.
double power_above(const float* weight, int64_t count, double scale) {
  double largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(weight[i] * scale));
  if (largest == 0 || !std::isfinite(largest)) return 1;
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0, std::clamp(exponent, -100, 100));
}

}  // namespace

Result<GpuConvWeights> GpuConvWeights::pack(int64_t in_channels, int64_t out_channels, int kernel_h, int kernel_w,
                                            const float* weight, double weight_scale, const std::vector<float>& bias,
                                            const Placement& at, int64_t split, Precision precision) {
  const int capability = at.device->info().capability;
  const bool half = storage_of(precision) == ElementType::f16;
  if (precision != Precision::fp32 && capability < (half ? kOldestCudaCapability : kTf32AndBf16Capability))
    return fail(Code::device, at.device->info().name, " (", at.device->info().model, ", sm_", capability,
                ") cannot compute in ", name_of(precision),
                capability >= kOldestCudaCapability ? "; it can in fp16 and fp32" : "");
  GpuConvWeights w;
  w.precision = precision;
  w.x_channels = split > 0 ? split : in_channels;
  w.feature_channels = in_channels - w.x_channels;
  w.out_channels = out_channels;
  w.out_padded = ceil_div(out_channels, int64_t{kOutMultiple}) * kOutMultiple;
  w.taps = int64_t{kernel_h} * kernel_w;
  const int64_t chunk = w.chunk_channels();
  w.x_chunks = ceil_div(w.x_channels, chunk);
  w.feature_chunks = ceil_div(w.feature_channels, chunk);

  std::vector<float> scales(static_cast<size_t>(w.out_padded), 1.f), biases(static_cast<size_t>(w.out_padded), 0.f);
  std::copy(bias.begin(), bias.end(), biases.begin());
  AlignedBuffer packed(static_cast<size_t>(w.taps * w.chunks() * w.out_padded * kChunkBytes));
  if (packed.data() == nullptr)
    return fail(Code::memory, "cannot allocate ", w.taps * w.chunks() * w.out_padded * kChunkBytes,
                " bytes of packed weights");
  auto* const bytes = static_cast<std::byte*>(packed.data());
  at.pool.parallel_for(w.out_padded, [&](int64_t o, int) {
    const float* const from = weight + o * in_channels * w.taps;
    const double power = o < out_channels ? power_above(from, in_channels * w.taps, weight_scale) : 1;
    scales[static_cast<size_t>(o)] = static_cast<float>(power);
    for (int64_t tap = 0; tap < w.taps; ++tap)
      for (int64_t c = 0; c < w.chunks(); ++c) {
        std::byte* const row = bytes + ((tap * w.chunks() + c) * w.out_padded + o) * kChunkBytes;
        const bool feature = c >= w.x_chunks;
        const int64_t first = feature ? w.x_channels + (c - w.x_chunks) * chunk : c * chunk;
        const int64_t end = feature ? in_channels : w.x_channels;
        for (int64_t k = 0; k < chunk; ++k) {
          const bool real = o < out_channels && first + k < end;
          store(precision, real ? static_cast<float>(from[(first + k) * w.taps + tap] * weight_scale / power) : 0.f, k,
                row);
        }
      }
  });
  GPEN_ASSIGN(w.weights, DeviceBuffer::copy_of(at.device, packed.data(), packed.bytes()));
  GPEN_ASSIGN(w.scale, DeviceBuffer::copy_of(at.device, scales.data(), scales.size() * sizeof(float)));
  GPEN_ASSIGN(w.bias, DeviceBuffer::copy_of(at.device, biases.data(), biases.size() * sizeof(float)));
  return w;
}

}  // namespace gpen
