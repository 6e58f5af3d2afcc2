#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

template <class T>
__global__ void __launch_bounds__(kRowThreads) add_upsampled_kernel(const Activation<T> x, const Activation<T> y) {
  const RowPlace at = row_place(y);
  if (!at.inside) return;
  const int sy = static_cast<int>(static_cast<int64_t>(at.y) * x.h / y.h);
  const int sx = static_cast<int>(static_cast<int64_t>(at.x) * x.w / y.w);
  float sum[kVectorWidth<T>], v[kVectorWidth<T>];
  T* const to = y.at(at.n, at.y, at.x, at.vector);
  load_vector<T>(sum, to);
  load_vector<T>(v, x.at(at.n, sy, sx, at.vector));
#pragma unroll
  for (int i = 0; i < kVectorWidth<T>; ++i) sum[i] += v[i];
  store_vector<T>(to, sum);
}

}  // namespace

Status add_upsampled(Exec& exec, const TensorView& x, TensorView y) {
  GPEN_RETURN_IF_ERROR(expect_same_type("add_upsampled", x, y));
  if (exec.dry()) return Status();
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    const Activation<T> out = activation_of<T>(y);
    gpu::launch(*exec.device, "add_upsampled", add_upsampled_kernel<T>, row_blocks(out, y.n), kRowThreads, 0,
                activation_of<T>(x), out);
  });
  return Status();
}

}  // namespace gpen::GPEN_GPU_NS
