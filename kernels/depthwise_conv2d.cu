#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

struct DepthwiseFilter {
  const float* weights;  // [block][ky][kx][16]
  const float* bias;     // [block][16]
  int kernel, stride;
  float slope;
};

// The sum is rounded after each product and each addition, in the processor's order: the same bits.
template <class T>
__global__ void __launch_bounds__(kRowThreads)
    depthwise_kernel(const Activation<T> x, const DepthwiseFilter filter, const Activation<T> y) {
  constexpr int kWidth = kVectorWidth<T>;
  const RowPlace at = row_place(y);
  if (!at.inside) return;
  const int top = at.y * filter.stride - filter.kernel / 2, left = at.x * filter.stride - filter.kernel / 2;
  const int ky0 = max(0, -top), ky1 = min(filter.kernel, x.h - top);
  const int kx0 = max(0, -left), kx1 = min(filter.kernel, x.w - left);
  constexpr int kBlockWidth = static_cast<int>(kBlock);
  const int channel = at.vector * kWidth, block = channel / kBlockWidth, place = channel % kBlockWidth;
  const float* const taps = filter.weights + block * filter.kernel * filter.kernel * kBlockWidth + place;
  float sum[kWidth];
  load_floats(sum, filter.bias + channel);
  for (int ky = ky0; ky < ky1; ++ky)
    for (int kx = kx0; kx < kx1; ++kx) {
      float v[kWidth], w[kWidth];
      load_vector<T>(v, x.at(at.n, top + ky, left + kx, at.vector));
      load_floats(w, taps + (ky * filter.kernel + kx) * kBlockWidth);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sum[i] = rounded_sum(sum[i], rounded_product(w[i], v[i]));
    }
#pragma unroll
  for (float& s : sum) s = leaky_relu(s, filter.slope);
  store_vector<T>(y.at(at.n, at.y, at.x, at.vector), sum);
}

}  // namespace

Status depthwise_conv2d(Exec& exec, const DepthwiseWeights& weights, const TensorView& x, int stride, float slope,
                        TensorView y) {
  GPEN_RETURN_IF_ERROR(expect_same_type("depthwise_conv2d", x, y));
  if (exec.dry()) return Status();
  const DepthwiseFilter filter{weights.filter(0), weights.bias(0), weights.kernel(), stride, slope};
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    const Activation<T> out = activation_of<T>(y);
    gpu::launch(*exec.device, "depthwise_conv2d", depthwise_kernel<T>, row_blocks(out, y.n), kRowThreads, 0,
                activation_of<T>(x), filter, out);
  });
  return Status();
}

}  // namespace gpen::GPEN_GPU_NS
