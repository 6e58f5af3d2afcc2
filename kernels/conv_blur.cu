// blur_1331: memory-bound; a thread computes a run of rows of one 16-byte piece of channels of a column.
#include "kernels/conv_gemm_functions.h"
#include "kernels/gpu_elements.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 128, kRun = 4;  // outputs of a thread, one below the other

struct BlurArguments {
  const void* x;
  void* y;
  int64_t x_batch_stride, y_batch_stride;
  int x_pixel_stride, y_pixel_stride;
  int h, w, out_h, out_w, pieces, pad;
  float factor;
  const float* bias;
  float slope, gain;
};

template <class T>
struct Piece {
  static constexpr int kValues = kVectorWidth<T>;
  float v[kValues];
};

template <class T>
__device__ __forceinline__ void add_weighted(Piece<T>& sum, const T* from, float weight) {
  float v[kVectorWidth<T>];
  load_vector<T>(v, from);
#pragma unroll
  for (int i = 0; i < kVectorWidth<T>; ++i) sum.v[i] = fmaf(weight, v[i], sum.v[i]);
}

__device__ __forceinline__ float tap_weight(int tap) { return tap == 0 || tap == 3 ? 1.f : 3.f; }

// The piece's values at four pixels of a row, weighted; zero outside.
template <class T>
__device__ __forceinline__ Piece<T> blurred_row(const BlurArguments& p, const T* image, int row, int column) {
  Piece<T> sum = {};
  if (row < 0 || row >= p.h) return sum;
  const T* const line = image + static_cast<size_t>(row) * p.w * p.x_pixel_stride;
#pragma unroll
  for (int tap = 0; tap < 4; ++tap) {
    const int at = column + tap;
    if (at >= 0 && at < p.w) add_weighted<T>(sum, line + static_cast<size_t>(at) * p.x_pixel_stride, tap_weight(tap));
  }
  return sum;
}

template <class T>
__device__ __forceinline__ void store(const BlurArguments& p, const Piece<T>& sum, int channel, T* to) {
  Piece<T> v;
#pragma unroll
  for (int i = 0; i < Piece<T>::kValues; ++i) {
    const float u = fmaf(sum.v[i], p.factor, p.bias == nullptr ? 0.f : __ldg(p.bias + channel + i));
    v.v[i] = (u > 0 ? u : p.slope * u) * p.gain;
  }
  store_vector<T>(to, v.v);
}

template <class T>
__global__ void __launch_bounds__(kThreads) blur_kernel(const __grid_constant__ BlurArguments p) {
  const int64_t runs = (p.out_h + kRun - 1) / kRun;
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= runs * p.out_w * p.pieces) return;
  const int piece = static_cast<int>(item % p.pieces), column = static_cast<int>(item / p.pieces % p.out_w);
  const int first_row = static_cast<int>(item / p.pieces / p.out_w) * kRun;
  const int channel = piece * Piece<T>::kValues;
  const T* const image = static_cast<const T*>(p.x) + blockIdx.y * p.x_batch_stride + channel;
  T* const out = static_cast<T*>(p.y) + blockIdx.y * p.y_batch_stride + channel;
  Piece<T> rows[4];
#pragma unroll
  for (int i = 0; i < 3; ++i) rows[i + 1] = blurred_row<T>(p, image, first_row - p.pad + i, column - p.pad);
#pragma unroll
  for (int r = 0; r < kRun; ++r) {
    const int row = first_row + r;
    if (row >= p.out_h) break;
    Piece<T> sum = {};
    rows[0] = rows[1], rows[1] = rows[2], rows[2] = rows[3];
    rows[3] = blurred_row<T>(p, image, row - p.pad + 3, column - p.pad);
#pragma unroll
    for (int tap = 0; tap < 4; ++tap)
#pragma unroll
      for (int i = 0; i < Piece<T>::kValues; ++i) sum.v[i] = fmaf(tap_weight(tap), rows[tap].v[i], sum.v[i]);
    store<T>(p, sum, channel, out + (static_cast<size_t>(row) * p.out_w + column) * p.y_pixel_stride);
  }
}

template <class T>
void launch_blur(Device& device, BlurArguments p, int64_t channels, int64_t n) {
  p.pieces = static_cast<int>(channels / Piece<T>::kValues);
  const int64_t items = ceil_div(p.out_h, kRun) * p.out_w * p.pieces;
  const dim3 grid(static_cast<unsigned>(ceil_div(items, kThreads)), static_cast<unsigned>(n));
  gpu::launch(device, "blur_1331", blur_kernel<T>, grid, dim3(kThreads), 0, p);
}

}  // namespace

void blur_1331(Exec& exec, const TensorView& x, int pad, float factor, const BlurEpilogue& epilogue, TensorView y) {
  if (exec.dry()) return;
  const BlurArguments p{x.data,
                        y.data,
                        x.batch_stride,
                        y.batch_stride,
                        static_cast<int>(x.pixel_stride),
                        static_cast<int>(y.pixel_stride),
                        static_cast<int>(x.h),
                        static_cast<int>(x.w),
                        static_cast<int>(y.h),
                        static_cast<int>(y.w),
                        0,
                        pad,
                        factor,
                        epilogue.bias,
                        epilogue.slope,
                        epilogue.gain};
  const int64_t channels = x.blocks() * kBlock;
  with_type(x.type, [&](auto zero) { launch_blur<decltype(zero)>(*exec.device, p, channels, x.n); });
}

}  // namespace gpen::GPEN_GPU_NS
