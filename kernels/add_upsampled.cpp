#include "kernels/add_upsampled.h"

#include "kernels/gpu_kernels.h"

namespace gpen {

Status add_upsampled(Exec& exec, const TensorView& x, TensorView y) {
  if (x.layout != exec.layout() || y.layout != exec.layout())
    return fail(Code::internal, "add_upsampled: both tensors must be activations");
  if (x.n != y.n || x.c != y.c || x.h < 1 || x.w < 1 || y.h < x.h || y.w < x.w)
    return fail(Code::internal, "add_upsampled: input is ", x.shape_string(), ", output ", y.shape_string());
  if (exec.device != nullptr) return exec.device->kernels().add_upsampled(exec, x, y);
  if (exec.dry()) return Status();
  exec.pool.parallel_for(y.n * y.blocks() * y.h, [&](int64_t item, int) {
    const int64_t row = item % y.h, b = item / y.h % y.blocks(), n = item / y.h / y.blocks();
    const float* in = x.block(n, b) + row * x.h / y.h * x.w * kBlock;
    float* out = y.block(n, b) + row * y.w * kBlock;
    for (int64_t col = 0; col < y.w; ++col) {
      const float* source = in + col * x.w / y.w * kBlock;
      for (int k = 0; k < kBlock; ++k) out[col * kBlock + k] += source[k];
    }
  });
  return Status();
}

}  // namespace gpen
