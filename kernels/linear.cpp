#include "kernels/linear.h"

#include <algorithm>
#include <cmath>

#include "kernels/gpu_kernels.h"
#include "kernels/isa.h"
#include "runtime/constants.h"

namespace gpen {

namespace {
constexpr int64_t kOutputsPerItem = 64;
}

Result<LinearWeights> LinearWeights::pack(const float* weight, int64_t rows, int64_t inputs, double scale,
                                          const std::vector<float>& bias, double bias_scale, const Placement& at,
                                          const std::vector<int64_t>& row_of) {
  LinearWeights w;
  w.inputs_ = inputs;
  const int64_t placed = row_of.empty() ? rows : static_cast<int64_t>(row_of.size());
  w.outputs_ = ceil_div(placed, kBlock) * kBlock;
  AlignedBuffer packed(static_cast<size_t>(w.outputs_ * inputs) * sizeof(float));
  if (packed.data() == nullptr) return fail(Code::memory, "cannot allocate ", w.outputs_ * inputs * 4, " bytes");
  auto source = [&](int64_t o) -> int64_t {
    return o >= placed ? -1 : row_of.empty() ? o : row_of[static_cast<size_t>(o)];
  };
  std::vector<float> scaled_bias(static_cast<size_t>(w.outputs_), 0.f);
  for (int64_t o = 0; o < w.outputs_ && !bias.empty(); ++o)
    if (source(o) >= 0)
      scaled_bias[static_cast<size_t>(o)] = static_cast<float>(bias[static_cast<size_t>(source(o))] * bias_scale);
  // Element (o, k) of a block of 16 outputs: interleaved for the processor's vectors, row by row for a device's warps.
  const bool rows_in_order = at.device != nullptr;
  const int64_t o_step = rows_in_order ? inputs : 1, k_step = rows_in_order ? 1 : kBlock;
  at.pool.parallel_for(w.outputs_ / kBlock, [&](int64_t block, int) {
    float* d = packed.floats() + block * inputs * kBlock;
    for (int64_t j = 0; j < kBlock; ++j) {
      const int64_t row = source(block * kBlock + j);
      for (int64_t k = 0; k < inputs; ++k)
        d[k * k_step + j * o_step] = row >= 0 ? static_cast<float>(weight[row * inputs + k] * scale) : 0.f;
    }
  });
  GPEN_ASSIGN(w.bias_, ParameterVector::make(at, std::move(scaled_bias)));
  if (at.device != nullptr) {
    GPEN_ASSIGN(w.device_data_, DeviceBuffer::copy_of(at.device, packed.data(), packed.bytes()));
  } else {
    w.data_ = std::move(packed);
  }
  return w;
}

namespace {

void finish(const LinearJob& job, int64_t n, int64_t o0, int64_t outputs, LinearForm form) {
  const float* bias = job.weights->bias();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t o = o0; o < o0 + outputs; ++o) {
      float v = job.y[i * job.y_stride + o] + bias[o];
      if (form == LinearForm::fused_lrelu) v = (v > 0 ? v : 0.2f * v) * kSqrt2;
      if (form == LinearForm::demodulation) v = 1.f / std::sqrt(v + 1e-8f);
      job.y[i * job.y_stride + o] = v;
    }
}

}  // namespace

void linear(Exec& exec, std::span<const LinearJob> jobs, int64_t n, LinearForm form) {
  if (exec.device != nullptr) return exec.device->kernels().linear(exec, jobs, n, form);
  int64_t largest = 0;
  for (const LinearJob& job : jobs) largest = std::max(largest, job.weights->inputs());
  Workspace::Handle squares_handle;
  float* squares = nullptr;
  const bool squared = form == LinearForm::demodulation;
  if (squared) squares = exec.ws.take(static_cast<size_t>(n * largest), &squares_handle);
  const IsaKernels& isa = isa_kernels();
  for (const LinearJob& job : jobs) {
    if (exec.dry()) break;
    const int64_t inputs = job.weights->inputs(), outputs = job.weights->outputs();
    const float* x = job.x;
    int64_t x_stride = job.x_stride;
    if (squared) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t k = 0; k < inputs; ++k) {
          const float v = job.x[i * job.x_stride + k];
          squares[i * inputs + k] = v * v;
        }
      x = squares;
      x_stride = inputs;
    }
    exec.pool.parallel_for(ceil_div(outputs, kOutputsPerItem), [&](int64_t item, int) {
      const int64_t o0 = item * kOutputsPerItem, count = std::min(kOutputsPerItem, outputs - o0);
      isa.linear(job.weights->data() + o0 * inputs, inputs, count, x, x_stride, n, job.y + o0, job.y_stride);
      finish(job, n, o0, count, form);
    });
  }
  if (squared) exec.ws.give_back(squares_handle);
}

void pixel_norm(Exec& exec, float* x, int64_t n, int64_t count, int64_t stride) {
  if (exec.device != nullptr) return exec.device->kernels().pixel_norm(exec, x, n, count, stride);
  if (exec.dry()) return;
  for (int64_t i = 0; i < n; ++i) {
    float* row = x + i * stride;
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += static_cast<double>(row[k]) * row[k];
    const float scale = static_cast<float>(1 / std::sqrt(sum / static_cast<double>(count) + 1e-8));
    for (int64_t k = 0; k < count; ++k) row[k] *= scale;
  }
}

}  // namespace gpen
