#include "kernels/depthwise_conv2d.h"

#include <algorithm>

#include "kernels/gpu_kernels.h"
#include "kernels/vec4.h"

namespace gpen {

namespace {
constexpr int kVectors = kBlock / 4;
}  // namespace

Result<DepthwiseWeights> DepthwiseWeights::pack(int64_t channels, int kernel, const std::vector<float>& weight,
                                                const std::vector<float>& bias, const Placement& at) {
  const int64_t taps = int64_t{kernel} * kernel;
  if (channels < 1 || kernel < 1 || kernel % 2 == 0 || static_cast<int64_t>(weight.size()) != channels * taps ||
      static_cast<int64_t>(bias.size()) != channels)
    return fail(Code::internal, "depthwise_conv2d: ", channels, " channels and kernel ", kernel, ", but ",
                weight.size(), " weights and ", bias.size(), " biases");
  DepthwiseWeights w;
  w.channels_ = channels;
  w.kernel_ = kernel;
  std::vector<float> filters(static_cast<size_t>(ceil_div(channels, kBlock) * taps * kBlock), 0.0f);
  std::vector<float> biases(static_cast<size_t>(ceil_div(channels, kBlock) * kBlock), 0.0f);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t t = 0; t < taps; ++t)
      filters[static_cast<size_t>((c / kBlock * taps + t) * kBlock + c % kBlock)] =
          weight[static_cast<size_t>(c * taps + t)];
    biases[static_cast<size_t>(c)] = bias[static_cast<size_t>(c)];
  }
  GPEN_ASSIGN(w.filters_, ParameterVector::make(at, std::move(filters)));
  GPEN_ASSIGN(w.bias_, ParameterVector::make(at, std::move(biases)));
  return w;
}

Status depthwise_conv2d(Exec& exec, const DepthwiseWeights& weights, const TensorView& x, int stride, float slope,
                        TensorView y) {
  const int64_t kernel = weights.kernel(), pad = kernel / 2;
  if (x.layout != exec.layout() || y.layout != exec.layout())
    return fail(Code::internal, "depthwise_conv2d: both tensors must be activations");
  if (stride < 1 || x.n != y.n || x.c != y.c || x.c != weights.channels() || y.h != ceil_div(x.h, stride) ||
      y.w != ceil_div(x.w, stride))
    return fail(Code::internal, "depthwise_conv2d: input is ", x.shape_string(), ", output ", y.shape_string(),
                ", weights have ", weights.channels(), " channels, stride ", stride);
  if (exec.device != nullptr) return exec.device->kernels().depthwise_conv2d(exec, weights, x, stride, slope, y);
  if (exec.dry()) return Status();
  exec.pool.parallel_for(y.n * y.blocks() * y.h, [&](int64_t item, int) {
    const int64_t row = item % y.h, b = item / y.h % y.blocks(), n = item / y.h / y.blocks();
    const float* in = x.block(n, b);
    const float* filter = weights.filter(b);
    const float* bias = weights.bias(b);
    float* out = y.block(n, b) + row * y.w * kBlock;
    const int64_t top = row * stride - pad;
    const int64_t ky0 = std::max<int64_t>(0, -top), ky1 = std::min(kernel, x.h - top);
    for (int64_t col = 0; col < y.w; ++col) {
      const int64_t left = col * stride - pad;
      const int64_t kx0 = std::max<int64_t>(0, -left), kx1 = std::min(kernel, x.w - left);
      Vec4 sum[kVectors];
      for (int v = 0; v < kVectors; ++v) sum[v] = load4(bias + 4 * v);
      for (int64_t ky = ky0; ky < ky1; ++ky)
        for (int64_t kx = kx0; kx < kx1; ++kx) {
          const float* pixel = in + ((top + ky) * x.w + left + kx) * kBlock;
          const float* w = filter + (ky * kernel + kx) * kBlock;
          for (int v = 0; v < kVectors; ++v) sum[v] += load4(w + 4 * v) * load4(pixel + 4 * v);
        }
      for (int v = 0; v < kVectors; ++v) store4(out + col * kBlock + 4 * v, leaky4(sum[v], slope));
    }
  });
  return Status();
}

}  // namespace gpen
