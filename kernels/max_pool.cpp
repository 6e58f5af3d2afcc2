#include "kernels/max_pool.h"

#include <algorithm>

#include "kernels/gpu_kernels.h"
#include "kernels/vec4.h"

namespace gpen {

namespace {
constexpr int kVectors = kBlock / 4;
}  // namespace

Status max_pool(Exec& exec, const TensorView& x, int kernel, int stride, int pad, TensorView y) {
  if (x.layout != exec.layout() || y.layout != exec.layout())
    return fail(Code::internal, "max_pool: both tensors must be activations");
  if (kernel < 1 || stride < 1 || pad < 0 || pad >= kernel || x.n != y.n || x.c != y.c || x.h + 2 * pad < kernel ||
      x.w + 2 * pad < kernel || y.h != (x.h + 2 * pad - kernel) / stride + 1 ||
      y.w != (x.w + 2 * pad - kernel) / stride + 1)
    return fail(Code::internal, "max_pool: input is ", x.shape_string(), ", output ", y.shape_string(), ", kernel ",
                kernel, ", stride ", stride, ", pad ", pad);
  if (exec.device != nullptr) return exec.device->kernels().max_pool(exec, x, kernel, stride, pad, y);
  if (exec.dry()) return Status();
  exec.pool.parallel_for(y.n * y.blocks() * y.h, [&](int64_t item, int) {
    const int64_t row = item % y.h, b = item / y.h % y.blocks(), n = item / y.h / y.blocks();
    const float* in = x.block(n, b);
    float* out = y.block(n, b) + row * y.w * kBlock;
    const int64_t y0 = std::max<int64_t>(0, row * stride - pad), y1 = std::min(x.h, row * stride - pad + kernel);
    for (int64_t col = 0; col < y.w; ++col) {
      const int64_t x0 = std::max<int64_t>(0, col * stride - pad), x1 = std::min(x.w, col * stride - pad + kernel);
      Vec4 best[kVectors];
      for (int v = 0; v < kVectors; ++v) best[v] = load4(in + (y0 * x.w + x0) * kBlock + 4 * v);
      for (int64_t sy = y0; sy < y1; ++sy)
        for (int64_t sx = x0; sx < x1; ++sx) {
          const float* pixel = in + (sy * x.w + sx) * kBlock;
          for (int v = 0; v < kVectors; ++v) best[v] = larger4(best[v], load4(pixel + 4 * v));
        }
      for (int v = 0; v < kVectors; ++v) store4(out + col * kBlock + 4 * v, best[v]);
    }
  });
  return Status();
}

}  // namespace gpen
