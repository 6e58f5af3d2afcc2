#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

template <class T>
__global__ void __launch_bounds__(kRowThreads)
    max_pool_kernel(const Activation<T> x, int kernel, int stride, int pad, const Activation<T> y) {
  const RowPlace at = row_place(y);
  if (!at.inside) return;
  const int top = at.y * stride - pad, left = at.x * stride - pad;
  const int y1 = min(x.h, top + kernel), x1 = min(x.w, left + kernel);
  float best[kVectorWidth<T>];
#pragma unroll
  for (float& b : best) b = -INFINITY;
  for (int sy = max(0, top); sy < y1; ++sy)
    for (int sx = max(0, left); sx < x1; ++sx) {
      float v[kVectorWidth<T>];
      load_vector<T>(v, x.at(at.n, sy, sx, at.vector));
#pragma unroll
      for (int i = 0; i < kVectorWidth<T>; ++i) best[i] = v[i] > best[i] || v[i] != v[i] ? v[i] : best[i];
    }
  store_vector<T>(y.at(at.n, at.y, at.x, at.vector), best);
}

}  // namespace

Status max_pool(Exec& exec, const TensorView& x, int kernel, int stride, int pad, TensorView y) {
  GPEN_RETURN_IF_ERROR(expect_same_type("max_pool", x, y));
  if (exec.dry()) return Status();
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    const Activation<T> out = activation_of<T>(y);
    gpu::launch(*exec.device, "max_pool", max_pool_kernel<T>, row_blocks(out, y.n), kRowThreads, 0, activation_of<T>(x),
                kernel, stride, pad, out);
  });
  return Status();
}

}  // namespace gpen::GPEN_GPU_NS
