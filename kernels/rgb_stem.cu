#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    stem_pixels_kernel(const float* rgb, int64_t batch_stride, int64_t plane, float* pixels) {
  const int64_t pixel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pixel >= plane) return;
  const float* const from = rgb + blockIdx.y * batch_stride + pixel;
  *reinterpret_cast<float4*>(pixels + (blockIdx.y * plane + pixel) * 4) =
      make_float4(from[0], from[plane], from[2 * plane], 0.f);
}

// A thread keeps the weights of its vector of channels and goes through kSteps pixels with them.
constexpr int kSteps = 8, kVectorsOfBlock = 32;

template <class T>
__global__ void __launch_bounds__(kThreads)
    stem_kernel(const float* pixels, const float* weight, const Activation<T> y) {
  constexpr int kWidth = kVectorWidth<T>, kBlockWidth = static_cast<int>(kBlock);
  const int vectors = min(kVectorsOfBlock, y.vectors), side_by_side = kThreads / vectors;
  const int thread = static_cast<int>(threadIdx.x), vector = static_cast<int>(blockIdx.y) * vectors + thread % vectors;
  if (thread >= vectors * side_by_side || vector >= y.vectors) return;
  const int channel = vector * kWidth;
  const float* const filter = weight + channel / kBlockWidth * 4 * kBlockWidth + channel % kBlockWidth;
  float red[kWidth], green[kWidth], blue[kWidth], bias[kWidth];
  load_floats(red, filter);
  load_floats(green, filter + kBlockWidth);
  load_floats(blue, filter + 2 * kBlockWidth);
  load_floats(bias, filter + 3 * kBlockWidth);
  const int64_t plane = static_cast<int64_t>(y.h) * y.w;
  const float* const from = pixels + blockIdx.z * plane * 4;
  T* const to = y.data + blockIdx.z * y.batch_stride + channel;
  int64_t pixel = static_cast<int64_t>(blockIdx.x) * side_by_side * kSteps + thread / vectors;
#pragma unroll 2
  for (int step = 0; step < kSteps && pixel < plane; ++step, pixel += side_by_side) {
    const float4 rgb = *reinterpret_cast<const float4*>(from + pixel * 4);
    float v[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i)
      v[i] = leaky_relu(fmaf(rgb.z, blue[i], fmaf(rgb.y, green[i], fmaf(rgb.x, red[i], bias[i]))), 0.2f);
    store_vector<T>(to + pixel * y.pixel_stride, v);
  }
}

}  // namespace

void to_stem_pixels(Exec& exec, const TensorView& rgb, float* pixels) {
  if (exec.dry()) return;
  gpu::launch(*exec.device, "to_stem_pixels", stem_pixels_kernel,
              dim3(static_cast<unsigned>(ceil_div(rgb.plane(), kThreads)), static_cast<unsigned>(rgb.n)), kThreads, 0,
              rgb.data, rgb.batch_stride, rgb.plane(), pixels);
}

void apply_rgb_stem(Exec& exec, const RgbStem& stem, TensorView y) {
  if (exec.dry()) return;
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    const Activation<T> out = activation_of<T>(y);
    const int vectors = std::min(kVectorsOfBlock, out.vectors);
    gpu::launch(*exec.device, "apply_rgb_stem", stem_kernel<T>,
                dim3(static_cast<unsigned>(ceil_div(y.plane(), kThreads / vectors * kSteps)),
                     static_cast<unsigned>(ceil_div(out.vectors, vectors)), static_cast<unsigned>(y.n)),
                kThreads, 0, stem.pixels, stem.weight, out);
  });
}

}  // namespace gpen::GPEN_GPU_NS
