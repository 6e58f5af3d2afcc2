#include "kernels/layout.h"

#include <algorithm>

#include "kernels/gpu_kernels.h"

namespace gpen {

namespace {

Status check(const char* kernel, const TensorView& x, Layout x_layout, const TensorView& y, Layout y_layout, int f) {
  if (x.layout != x_layout || y.layout != y_layout)
    return fail(Code::internal, kernel, ": input or output is in the wrong layout");
  if (f < 1 || x.n != y.n || x.c * f * f != y.c || x.h != y.h * f || x.w != y.w * f)
    return fail(Code::internal, kernel, ": input is ", x.shape_string(), ", output ", y.shape_string(), ", unshuffle ",
                f);
  return Status();
}

}  // namespace

Status to_blocked(Exec& exec, const TensorView& x, TensorView y, int unshuffle) {
  GPEN_RETURN_IF_ERROR(check("to_blocked", x, Layout::nchw, y, exec.layout(), unshuffle));
  if (exec.device != nullptr) return exec.device->kernels().to_blocked(exec, x, y, unshuffle);
  if (exec.dry()) return Status();
  const int64_t f = unshuffle;
  exec.pool.parallel_for(y.n * y.h, [&](int64_t item, int) {
    const int64_t n = item / y.h, row = item % y.h;
    for (int64_t b = 0; b < y.blocks(); ++b) {
      float* out = y.block(n, b) + row * y.w * kBlock;
      const int64_t channels = std::min(kBlock, y.c - b * kBlock);
      if (channels < kBlock) std::fill_n(out, y.w * kBlock, 0.0f);
      for (int64_t k = 0; k < channels; ++k) {
        const int64_t channel = b * kBlock + k, dy = channel / f % f, dx = channel % f;
        const float* in = x.image(n) + channel / (f * f) * x.plane() + (row * f + dy) * x.w + dx;
        for (int64_t j = 0; j < y.w; ++j) out[j * kBlock + k] = in[j * f];
      }
    }
  });
  return Status();
}

Status to_planar(Exec& exec, const TensorView& x, TensorView y) {
  GPEN_RETURN_IF_ERROR(check("to_planar", x, exec.layout(), y, Layout::nchw, 1));
  if (exec.device != nullptr) return exec.device->kernels().to_planar(exec, x, y);
  if (exec.dry()) return Status();
  exec.pool.parallel_for(y.n * y.h, [&](int64_t item, int) {
    const int64_t n = item / y.h, row = item % y.h;
    for (int64_t c = 0; c < y.c; ++c) {
      const float* in = x.block(n, c / kBlock) + row * x.w * kBlock + c % kBlock;
      float* out = y.image(n) + c * y.plane() + row * y.w;
      for (int64_t j = 0; j < y.w; ++j) out[j] = in[j * kBlock];
    }
  });
  return Status();
}

}  // namespace gpen
