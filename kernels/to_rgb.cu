// Bound by reading the activations: eight lanes share a pixel, each takes every eighth vector of 16 bytes, and shuffles
// add up. The modulated weights, the same for all pixels of an image, lie in shared memory.
#include "kernels/gpu_elements.h"
#include "runtime/constants.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kThreads = 256, kLanes = 8, kGroups = kThreads / kLanes;

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

// Three dot products of a vector of each pixel with the weights of `channels` channels each.
template <class T, int kPixels>
__device__ __forceinline__ void add_products(float (&sum)[3][kPixels], const float (&v)[kPixels][kVectorWidth<T>],
                                             const float* weights, int channels) {
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    float w[kVectorWidth<T>];
    load_floats(w, weights + c * channels);
#pragma unroll
    for (int p = 0; p < kPixels; ++p)
#pragma unroll
      for (int i = 0; i < kVectorWidth<T>; ++i) sum[c][p] = fmaf(w[i], v[p][i], sum[c][p]);
  }
}

// up2(skip) of one plane at (x, y): the vertical blend first, then the horizontal one.
__device__ __forceinline__ float enlarged(const float* plane, int h, int w, int y, int x) {
  const int near_y = y / 2, far_y = y % 2 == 0 ? near_y - 1 : near_y + 1;
  const int near_x = x / 2, far_x = x % 2 == 0 ? near_x - 1 : near_x + 1;
  const bool far_row = far_y >= 0 && far_y < h;
  const auto column = [&](int i) {
    const float far = far_row ? 0.25f * plane[static_cast<int64_t>(far_y) * w + i] : 0.f;
    return fmaf(0.75f, plane[static_cast<int64_t>(near_y) * w + i], far);
  };
  const float far = far_x >= 0 && far_x < w ? 0.25f * column(far_x) : 0.f;
  return fmaf(0.75f, column(near_x), far);
}

// A block computes kGroups * kPixels neighbouring pixels of the image blockIdx.y.
template <class T, int kPixels>
__global__ void __launch_bounds__(kThreads) to_rgb_kernel(const __grid_constant__ RgbArguments<T> p) {
  constexpr int kWidth = kVectorWidth<T>, kBlockPixels = kGroups * kPixels;
  float* const weights = gpu::dynamic_shared<float>();  // [3][channels], modulated
  __shared__ gpu::shared_array<float, 3 * kBlockPixels> sums;
  const int x_channels = p.x.vectors * kWidth, channels = x_channels + p.feature.vectors * kWidth;
  const int thread = static_cast<int>(threadIdx.x), image = static_cast<int>(blockIdx.y);
  constexpr int kBlockWidth = static_cast<int>(kBlock);
  for (int i = thread; i < 3 * channels; i += kThreads) {
    const int c = i / channels, channel = i - c * channels;
    const float w = p.weight[(channel / kBlockWidth * 3 + c) * kBlockWidth + channel % kBlockWidth];
    // The feature half's sqrt2 goes into its weights.
    weights[i] = w * p.style[static_cast<int64_t>(image) * channels + channel] * (channel >= x_channels ? kSqrt2 : 1.f);
  }
  __syncthreads();

  const int64_t plane = static_cast<int64_t>(p.x.h) * p.x.w, first = static_cast<int64_t>(blockIdx.x) * kBlockPixels;
  const int group = thread / kLanes, lane = thread % kLanes;
  int64_t pixel[kPixels];  // beyond the picture: its last one, whose sum is not used
#pragma unroll
  for (int j = 0; j < kPixels; ++j) pixel[j] = min(first + j * kGroups + group, plane - 1);
  float sum[3][kPixels] = {}, v[kPixels][kWidth];
  for (int vector = lane; vector < p.x.vectors; vector += kLanes) {
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
      load_vector<T>(v[j], p.x.data + image * p.x.batch_stride + pixel[j] * p.x.pixel_stride + vector * kWidth);
    add_products<T, kPixels>(sum, v, weights + vector * kWidth, channels);
  }
  for (int vector = lane; vector < p.feature.vectors; vector += kLanes) {
    float bias[kWidth];
    load_floats(bias, p.feature_bias + vector * kWidth);
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
      load_vector<T>(
          v[j], p.feature.data + image * p.feature.batch_stride + pixel[j] * p.feature.pixel_stride + vector * kWidth);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) v[j][i] = leaky_relu(fmaf(v[j][i], p.feature_gain, bias[i]), 0.2f);
    }
    add_products<T, kPixels>(sum, v, weights + x_channels + vector * kWidth, channels);
  }
#pragma unroll
  for (int c = 0; c < 3; ++c)
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
#pragma unroll
      for (int step = kLanes / 2; step > 0; step /= 2) sum[c][j] += __shfl_xor_sync(0xffffffffu, sum[c][j], step);
      if (lane == 0) sums[static_cast<size_t>(c * kBlockPixels + j * kGroups + group)] = sum[c][j];
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
