// Bound by reading the activations: eight lanes share a pixel, each takes every eighth vector of 16 bytes, and shuffles
// add up. The modulated weights, the same for all pixels of an image, lie in shared memory.
#include "kernels/to_rgb_device.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 256, kGroups = kThreads / kRgbLanes;

template <class T>
struct RgbArguments {
  Activation<T> x, feature;  // feature.vectors 0: none
  const float* weight;       // [blocks][3][16]
  const float* style;        // [n][16 * blocks]
  const float* feature_bias;
  float feature_gain;
  const float* skip;  // null: none
  int64_t skip_stride;
  float* rgb;
  int64_t rgb_stride;
  float bias[3];
};

// A block computes kGroups * kPixels neighbouring pixels of the image blockIdx.y.
template <class T, int kPixels>
__global__ void __launch_bounds__(kThreads) to_rgb_kernel(const __grid_constant__ RgbArguments<T> p) {
  constexpr int kWidth = kVectorWidth<T>, kBlockPixels = kGroups * kPixels;
  float* const weights = gpu::dynamic_shared<float>();  // [3][channels], modulated
  __shared__ gpu::shared_array<float, 3 * kBlockPixels> sums;
  const int x_channels = p.x.vectors * kWidth, channels = x_channels + p.feature.vectors * kWidth;
  const int thread = static_cast<int>(threadIdx.x), image = static_cast<int>(blockIdx.y);
  modulate_rgb<kThreads>(weights, p.weight, p.style + static_cast<int64_t>(image) * channels, x_channels, channels,
                         thread);
  __syncthreads();

  const int64_t plane = static_cast<int64_t>(p.x.h) * p.x.w, first = static_cast<int64_t>(blockIdx.x) * kBlockPixels;
  const int group = thread / kRgbLanes, lane = thread % kRgbLanes;
  int64_t pixel[kPixels];  // beyond the picture: its last one, whose sum is not used
#pragma unroll
  for (int j = 0; j < kPixels; ++j) pixel[j] = min(first + j * kGroups + group, plane - 1);
  float sum[3][kPixels] = {}, v[kPixels][kWidth];
  for (int vector = lane; vector < p.x.vectors; vector += kRgbLanes) {
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
      load_vector<T>(v[j], p.x.data + image * p.x.batch_stride + pixel[j] * p.x.pixel_stride + vector * kWidth);
    add_products<T, kPixels>(sum, v, weights + vector * kWidth, channels);
  }
  for (int vector = lane; vector < p.feature.vectors; vector += kRgbLanes) {
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
      load_vector<T>(
          v[j], p.feature.data + image * p.feature.batch_stride + pixel[j] * p.feature.pixel_stride + vector * kWidth);
    activate_feature<T, kPixels>(v, p.feature_bias + vector * kWidth, p.feature_gain);
    add_products<T, kPixels>(sum, v, weights + x_channels + vector * kWidth, channels);
  }
  add_lanes(sum);
  if (lane == 0) {
#pragma unroll
    for (int c = 0; c < 3; ++c)
#pragma unroll
      for (int j = 0; j < kPixels; ++j) sums[static_cast<size_t>(c * kBlockPixels + j * kGroups + group)] = sum[c][j];
  }
  __syncthreads();

  // Through shared memory, so that neighbouring threads read and write neighbouring pixels of the planes.
  for (int i = thread; i < 3 * kBlockPixels; i += kThreads) {
    const int c = i / kBlockPixels;
    const int64_t at = first + i % kBlockPixels;
    if (at >= plane) break;
    const unsigned flat = static_cast<unsigned>(at),
                   width = static_cast<unsigned>(p.x.w);  // no picture has 2^32 pixels
    const int y = static_cast<int>(flat / width), x = static_cast<int>(flat % width);
    float value = c == 0 ? p.bias[0] : c == 1 ? p.bias[1] : p.bias[2];
    if (p.skip != nullptr)
      value += enlarged(p.skip + image * p.skip_stride + c * (plane / 4), p.x.h / 2, p.x.w / 2, y, x);
    p.rgb[image * p.rgb_stride + c * plane + at] = value + sums[static_cast<size_t>(i)];
  }
}

}  // namespace

void to_rgb(Exec& exec, const ToRgbWeights& w, const ConvInput& in, const TensorView& skip, TensorView rgb) {
  if (exec.dry()) return;
  with_type(in.x.type, [&](auto zero) {
    using T = decltype(zero);
    RgbArguments<T> p{activation_of<T>(in.x),
                      {},
                      w.weight.data(),
                      in.in_scale,
                      in.feature_bias,
                      in.feature_gain,
                      skip.data,
                      skip.batch_stride,
                      rgb.data,
                      rgb.batch_stride,
                      {w.bias[0], w.bias[1], w.bias[2]}};
    if (in.feature.data != nullptr) p.feature = activation_of<T>(in.feature);
    const size_t shared = static_cast<size_t>(3 * (p.x.vectors + p.feature.vectors) * kVectorWidth<T>) * sizeof(float);
    // Several pixels for each group use the weights they have read more than once, when there are enough of them.
    constexpr int kSeveral = 4;
    const int64_t large_blocks = ceil_div(rgb.plane(), kGroups * kSeveral);
    const auto run = [&](auto kernel, int64_t blocks) {
      gpu::launch(*exec.device, "to_rgb", kernel, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(rgb.n)),
                  kThreads, shared, p);
    };
    if (large_blocks * rgb.n >= 2 * exec.device->info().multiprocessors)
      run(to_rgb_kernel<T, kSeveral>, large_blocks);
    else
      run(to_rgb_kernel<T, 1>, ceil_div(rgb.plane(), kGroups));
  });
}

}  // namespace gpen::GPEN_GPU_NS
