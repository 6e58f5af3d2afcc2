// The measurements on a face's pixels behind the estimate of its degradation. The transforms between them are those of
// consistency.cu. At 512 (a window of 256) they read and write about 8 MB and the transforms multiply 0.6 G: what is
// left to the processor is arithmetic on 259 numbers.
#include "kernels/degradation.h"

#include "kernels/consistency.h"
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kPlanes = 3;

bool is_sound(Device& device, int window) {
  const bool sound = window >= 16 && window <= 2048 && window % 16 == 0;
  if (!sound) device.note_error(fail(Code::internal, "degradation: a window of ", window, " pixels"));
  return sound;
}

__device__ __forceinline__ float hann(int i, int window) {
  const float s = sinpif((static_cast<float>(i) + 0.5f) / static_cast<float>(window));
  return s * s;
}

__global__ void __launch_bounds__(256)
    cut_windows_kernel(const float* planes, int size, int window, float* plain, float* weighted) {
  const auto [x, y] = pixel_of_thread();
  if (x >= window || y >= window) return;
  const int offset = (size - window) / 2;
  const float weight = hann(x, window) * hann(y, window);
#pragma unroll
  for (int c = 0; c < kPlanes; ++c) {
    const float v = planes[(static_cast<int64_t>(c) * size + offset + y) * size + offset + x];
    const int64_t at = (static_cast<int64_t>(c) * window + y) * window + x;
    plain[at] = v;
    weighted[at] = v * weight;
  }
}

void cut_windows(Device& device, const float* planes, int size, int window, float* plain, float* weighted) {
  if (!is_sound(device, window)) return;
  if (size < window) return device.note_error(fail(Code::internal, "degradation: ", window, " of ", size, " pixels"));
  gpu::launch(device, "cut_windows", cut_windows_kernel, picture_grid(window, window), kPictureBlock, 0, planes, size,
              window, plain, weighted);
}

__global__ void __launch_bounds__(256) keep_detail_kernel(int band, int64_t first, int64_t last, float* coefficients) {
  const auto [u, v] = pixel_of_thread();
  const int stored = padded_band(band);
  if (u >= stored || v >= stored) return;
  const int64_t square = static_cast<int64_t>(u) * u + static_cast<int64_t>(v) * v;
  if (u < band && v < band && square >= first && square <= last) return;
#pragma unroll
  for (int c = 0; c < kPlanes; ++c) coefficients[(static_cast<int64_t>(c) * stored + v) * stored + u] = 0;
}

void keep_detail(Device& device, int band, int64_t first, int64_t last, float* coefficients) {
  if (band < 1 || band > 2048) return device.note_error(fail(Code::internal, "degradation: a band of ", band));
  const int stored = padded_band(band);
  gpu::launch(device, "keep_detail", keep_detail_kernel, picture_grid(stored, stored), kPictureBlock, 0, band, first,
              last, coefficients);
}

// A block for each plane. What is not negative has the order of its bits, 31 of them: the digit of the value wanted is
// found from the top, 11, 10 and 10 bits at a time, from how many values have which digit. (Eleven: an exponent alone
// would put almost all values in the same few bins.)
constexpr int kMedianThreads = 1024, kMostDigits = 2048;

__global__ void __launch_bounds__(kMedianThreads)
    medians_kernel(const float* planes, int window, int margin, double* medians) {
  __shared__ gpu::shared_array<unsigned, kMostDigits> bins;
  __shared__ gpu::shared_array<unsigned, 2> found;  // the digit, and the rank among the values that have it
  const int thread = static_cast<int>(threadIdx.x), side = window - 2 * margin, count = side * side;
  const float* const first =
      planes + static_cast<int64_t>(blockIdx.x) * window * window + static_cast<int64_t>(margin) * window + margin;
  unsigned prefix = 0, known = 0, rank = static_cast<unsigned>(count) / 2;
  for (int shift = 20; shift >= 0; shift -= 10) {
    const unsigned digits = shift == 20 ? kMostDigits : kMostDigits / 2;
    for (int i = thread; i < kMostDigits; i += kMedianThreads) bins[i] = 0;
    __syncthreads();
    for (int i = thread; i < count; i += kMedianThreads) {
      const unsigned bits = __float_as_uint(first[i / side * window + i % side]) & 0x7fffffffu;
      if ((bits & known) == prefix) atomicAdd(&bins[bits >> shift & (digits - 1)], 1u);
    }
    __syncthreads();
    if (thread < 32) {
      const int each = static_cast<int>(digits) / 32, own_first = thread * each;
      unsigned own = 0;
      for (int i = 0; i < each; ++i) own += bins[own_first + i];
      unsigned up_to = own;
      for (int step = 1; step < 32; step *= 2) {
        const unsigned other = __shfl_up_sync(0xffffffffu, up_to, static_cast<unsigned>(step));
        if (thread >= step) up_to += other;
      }
      if (rank >= up_to - own && rank < up_to) {  // one lane's
        unsigned left = rank - (up_to - own);
        int digit = own_first;
        while (left >= bins[digit]) left -= bins[digit++];
        found[0] = static_cast<unsigned>(digit);
        found[1] = left;
      }
    }
    __syncthreads();
    prefix |= found[0] << shift;
    known |= (digits - 1) << shift;
    rank = found[1];
  }
  if (thread == 0) medians[blockIdx.x] = static_cast<double>(__uint_as_float(prefix));
}

void medians(Device& device, const float* planes, int window, int margin, double* result) {
  if (!is_sound(device, window)) return;
  if (margin < 0 || 2 * margin >= window)
    return device.note_error(fail(Code::internal, "degradation: ", margin, " pixels left out of ", window));
  gpu::launch(device, "medians", medians_kernel, dim3(kPlanes), dim3(kMedianThreads), 0, planes, window, margin,
              result);
}

// A warp for each ring r, a lane for its rows, 32 apart. In integers: r - 1/2 < radius < r + 1/2 is
// r^2 - r < u^2 + v^2 <= r^2 + r.
constexpr int kRingWarps = 8;

__global__ void __launch_bounds__(32 * kRingWarps)
    ring_sums_kernel(const float* coefficients, int window, double* sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int r = static_cast<int>(blockIdx.x) * kRingWarps + static_cast<int>(threadIdx.x) / 32;
  if (r >= window) return;  // with its whole warp
  const int above = r * r - r, last = r * r + r;
  const int64_t plane = static_cast<int64_t>(window) * window;
  double sum = 0;
  for (int v = lane; v <= r; v += 32) {
    int u = r > 0 ? static_cast<int>(sqrtf(static_cast<float>(max(0, above - v * v)))) : 0;
    while (u > 0 && (u - 1) * (u - 1) + v * v > above) --u;
    while (r > 0 && u * u + v * v <= above) ++u;
    for (; u < window && u * u + v * v <= last; ++u)
      for (int c = 0; c < kPlanes; ++c) {
        const double x = coefficients[c * plane + static_cast<int64_t>(v) * window + u];
        sum += x * x;
      }
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (lane == 0) sums[r] = sum;
}

void ring_sums(Device& device, const float* coefficients, int window, double* sums) {
  if (!is_sound(device, window)) return;
  gpu::launch(device, "ring_sums", ring_sums_kernel, dim3(static_cast<unsigned>(window / kRingWarps)),
              dim3(32 * kRingWarps), 0, coefficients, window, sums);
}

}  // namespace

void set_degradation_kernels(PictureKernels* table) {
  table->degradation = {cut_windows, keep_detail, medians, ring_sums};
}

}  // namespace gpen::GPEN_GPU_NS
