#include "kernels/mapping.h"

#include <algorithm>

#include "kernels/gpu_kernels.h"

namespace gpen {

void mapping_network(Exec& exec, const LinearWeights& final_linear, std::span<const LinearWeights> style,
                     const float* x, int64_t n, int64_t dim, float* latent) {
  if (exec.device != nullptr)
    return exec.device->kernels().mapping_network(exec, final_linear, style, x, n, dim, latent);
  const int64_t stride = final_linear.outputs();
  Workspace::Handle handles[2];
  float* a = exec.ws.take(static_cast<size_t>(n * stride), &handles[0]);
  float* b = exec.ws.take(static_cast<size_t>(n * stride), &handles[1]);
  const auto layer = [&](const LinearWeights& w, const float* from, int64_t from_stride, float* to) {
    const LinearJob job{&w, from, from_stride, to, stride};
    linear(exec, std::span(&job, 1), n, LinearForm::fused_lrelu);
  };
  layer(final_linear, x, final_linear.inputs(), a);
  pixel_norm(exec, a, n, dim, stride);
  for (const LinearWeights& w : style) {
    layer(w, a, stride, b);
    std::swap(a, b);
  }
  if (!exec.dry())
    for (int64_t i = 0; i < n; ++i) std::copy_n(a + i * stride, dim, latent + i * dim);
  exec.ws.give_back(handles[1]);
  exec.ws.give_back(handles[0]);
}

}  // namespace gpen
