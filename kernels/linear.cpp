#include "kernels/linear.h"

#include <algorithm>
#include <cmath>

#include "kernels/isa.h"

namespace gpen {

namespace {
constexpr int64_t kOutputsPerItem = 64;
}

Result<LinearWeights> LinearWeights::pack(const float* weight, int64_t rows, int64_t inputs, double scale,
                                          const std::vector<float>& bias, double bias_scale, ThreadPool& pool,
                                          const std::vector<int64_t>& row_of) {
  LinearWeights w;
  w.inputs_ = inputs;
  const int64_t placed = row_of.empty() ? rows : static_cast<int64_t>(row_of.size());
  w.outputs_ = ceil_div(placed, kBlock) * kBlock;
  w.data_ = AlignedBuffer(static_cast<size_t>(w.outputs_ * inputs) * sizeof(float));
  if (w.data_.data() == nullptr) return fail(Code::memory, "cannot allocate ", w.outputs_ * inputs * 4, " bytes");
  auto source = [&](int64_t o) -> int64_t {
    return o >= placed ? -1 : row_of.empty() ? o : row_of[static_cast<size_t>(o)];
  };
  w.bias_.assign(static_cast<size_t>(w.outputs_), 0.f);
  for (int64_t o = 0; o < w.outputs_ && !bias.empty(); ++o)
    if (source(o) >= 0)
      w.bias_[static_cast<size_t>(o)] = static_cast<float>(bias[static_cast<size_t>(source(o))] * bias_scale);
  pool.parallel_for(w.outputs_ / kBlock, [&](int64_t block, int) {
    float* d = w.data_.floats() + block * inputs * kBlock;
    for (int64_t j = 0; j < kBlock; ++j) {
      const int64_t row = source(block * kBlock + j);
      for (int64_t k = 0; k < inputs; ++k)
        d[k * kBlock + j] = row >= 0 ? static_cast<float>(weight[row * inputs + k] * scale) : 0.f;
    }
  });
  return w;
}

void linear(Exec& exec, const LinearWeights& w, const float* x, int64_t x_stride, int64_t n, LinearActivation act,
            float* y, int64_t y_stride) {
  if (exec.dry()) return;
  const IsaKernels& isa = isa_kernels();
  exec.pool.parallel_for(ceil_div(w.outputs_, kOutputsPerItem), [&](int64_t item, int) {
    const int64_t o0 = item * kOutputsPerItem, outputs = std::min(kOutputsPerItem, w.outputs_ - o0);
    isa.linear(w.data_.floats() + o0 * w.inputs_, w.inputs_, outputs, x, x_stride, n, y + o0, y_stride);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t o = o0; o < o0 + outputs; ++o) {
        float v = y[i * y_stride + o] + w.bias_[static_cast<size_t>(o)];
        if (act == LinearActivation::fused_lrelu) v = (v > 0 ? v : 0.2f * v) * 1.41421356237309515f;
        y[i * y_stride + o] = v;
      }
  });
}

}  // namespace gpen
