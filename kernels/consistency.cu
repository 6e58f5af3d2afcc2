// Closed-loop consistency: the cosine transform as matrix products in fp32, and the correction of the coefficients.
//
// Work of one face of n x n pixels in three planes, with a band of b: each transform of a picture is 3 * 2 n b (n + b)
// operations; two of them forward and one back are 18 n b (n + b): 1.4 GFLOP for n = 512 and b = 208 (a cutoff of 0.2
// cycles per pixel), 4.8 GFLOP for the whole band, 39 GFLOP at 1024. An FFT needs far fewer, but in many short
// dependent steps; a network's forward is two orders of magnitude more than these products.
//
// Bytes: both pictures once (and the output written), 3 * 4 n^2 each, the matrix of 4 n^2 for every product, the
// intermediate 3 * 4 n b and the coefficients 3 * 4 b^2, each written and read: about 26 MB for n = 512 and b = 208. A
// tile of 64 x 64 reads 2 * 64 floats for 2 * 64 * 64 operations, 16 per byte.
#include "kernels/consistency.h"

#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

constexpr int kPlanes = 3;
constexpr int kTile = 64, kDepth = 16;  // rows and columns of a block's tile; terms of the sum at a time
constexpr int kTermVectors = kDepth / 4, kColumnVectors = kTile / 4;

// A matrix for each plane; plane_step 0: the same one for all.
template <class T>
struct PlaneMatrix {
  T* data;
  int row_step;
  int64_t plane_step;
};

// result = (kAdd: result +) left * right, per plane. All three dimensions are multiples of 16.
struct PlaneProduct {
  PlaneMatrix<const float> left, right;
  PlaneMatrix<float> result;
  int rows, columns, terms;
};

__device__ __forceinline__ void multiply_add(float4& sum, float a, const float4& b) {
  sum.x += a * b.x, sum.y += a * b.y, sum.z += a * b.z, sum.w += a * b.w;
}

// 256 threads, each with 4 x 4 results. While one step of 16 terms is multiplied, the next one's vectors, one of each
// operand per thread, are on their way from memory.
template <bool kAdd>
__global__ void __launch_bounds__(256) multiply_kernel(const __grid_constant__ PlaneProduct p) {
  // A row of the left tile is one vector longer than its terms: the rows that a warp reads lie in different banks.
  constexpr int kLeftStep = kTermVectors + 1;
  __shared__ gpu::shared_array<float4, 2 * kTile * kLeftStep> left;
  __shared__ gpu::shared_array<float4, 2 * kDepth * kColumnVectors> right;

  const int thread = static_cast<int>(threadIdx.x);
  const int top = static_cast<int>(blockIdx.y) * kTile, first_column = static_cast<int>(blockIdx.x) * kTile;
  const int64_t plane = blockIdx.z;
  // What this thread brings: left (row, 4 terms), right (term, 4 columns). What lies beyond the matrix is 0.
  const int left_row = thread / kTermVectors, left_term = thread % kTermVectors;
  const int right_term = thread / kColumnVectors, right_column = thread % kColumnVectors;
  const bool has_left = top + left_row < p.rows, has_right = first_column + 4 * right_column < p.columns;
  const auto fetch_left = [&](int term) {
    if (!has_left) return make_float4(0, 0, 0, 0);
    const int64_t row = top + left_row;
    return *reinterpret_cast<const float4*>(p.left.data + plane * p.left.plane_step + row * p.left.row_step + term +
                                            4 * left_term);
  };
  const auto fetch_right = [&](int term) {
    if (!has_right) return make_float4(0, 0, 0, 0);
    const int64_t row = term + right_term;
    return *reinterpret_cast<const float4*>(p.right.data + plane * p.right.plane_step + row * p.right.row_step +
                                            first_column + 4 * right_column);
  };
  const auto store = [&](int half, const float4& l, const float4& r) {
    left[(half * kTile + left_row) * kLeftStep + left_term] = l;
    right[(half * kDepth + right_term) * kColumnVectors + right_column] = r;
  };

  const int my_row = thread / kColumnVectors * 4, my_column = thread % kColumnVectors;
  float4 sum[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) sum[i] = make_float4(0, 0, 0, 0);
  store(0, fetch_left(0), fetch_right(0));
  __syncthreads();
  int half = 0;
  for (int term = 0; term < p.terms; term += kDepth, half ^= 1) {
    const bool more = term + kDepth < p.terms;
    float4 next_left = make_float4(0, 0, 0, 0), next_right = next_left;
    if (more) {
      next_left = fetch_left(term + kDepth);
      next_right = fetch_right(term + kDepth);
    }
#pragma unroll
    for (int k = 0; k < kTermVectors; ++k) {
      float4 b[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) b[i] = right[(half * kDepth + 4 * k + i) * kColumnVectors + my_column];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 a = left[(half * kTile + my_row + i) * kLeftStep + k];
        multiply_add(sum[i], a.x, b[0]);
        multiply_add(sum[i], a.y, b[1]);
        multiply_add(sum[i], a.z, b[2]);
        multiply_add(sum[i], a.w, b[3]);
      }
    }
    // The other half was read before the last barrier.
    if (more) store(half ^ 1, next_left, next_right);
    __syncthreads();
  }

  if (first_column + 4 * my_column >= p.columns || top + my_row >= p.rows) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t row = top + my_row + i;
    float4* const result = reinterpret_cast<float4*>(p.result.data + plane * p.result.plane_step +
                                                     row * p.result.row_step + first_column + 4 * my_column);
    if constexpr (kAdd) {
      const float4 before = *result;
      sum[i].x += before.x, sum[i].y += before.y, sum[i].z += before.z, sum[i].w += before.w;
    }
    *result = sum[i];
  }
}

template <bool kAdd>
void multiply(Device& device, const PlaneProduct& p) {
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  gpu::launch(device, kAdd ? "consistency_multiply_add" : "consistency_multiply", multiply_kernel<kAdd>,
              dim3(tiles(p.columns), tiles(p.rows), kPlanes), dim3(256), 0, p);
}

bool is_sound(Device& device, const CosineTransform& t, int band) {
  const bool sound = t.size >= 16 && t.size <= 4096 && t.size % 16 == 0 && band >= 1 && band <= t.size;
  if (!sound) device.note_error(fail(Code::internal, "consistency: a band of ", band, " of ", t.size, " pixels"));
  return sound;
}

__global__ void __launch_bounds__(256) fill_matrices_kernel(int size, float* cosines, float* transposed) {
  const auto [i, k] = pixel_of_thread();
  if (i >= size || k >= size) return;
  const int turn = (2 * i + 1) * k % (4 * size);  // in steps of pi / 2N
  // cospi(), for cos() brings the reduction of huge arguments and with it a stack frame.
  const double value = sqrt((k == 0 ? 1.0 : 2.0) / size) * cospi(turn / (2.0 * size));
  cosines[static_cast<int64_t>(k) * size + i] = static_cast<float>(value);
  transposed[static_cast<int64_t>(i) * size + k] = static_cast<float>(value);
}

void fill_matrices(Device& device, int size, float* cosines, float* transposed) {
  if (!is_sound(device, {size}, 1)) return;
  gpu::launch(device, "fill_matrices", fill_matrices_kernel, picture_grid(size, size), kPictureBlock, 0, size, cosines,
              transposed);
}

// Columns first, X = (C x) C^T: the matrix's first rows, and then its transposed's first columns.
void forward(Device& device, const CosineTransform& t, const float* planes, int band, float* scratch,
             float* coefficients) {
  if (!is_sound(device, t, band)) return;
  const int n = t.size, stored = padded_band(band);
  const int64_t picture = int64_t{n} * n, half_way = int64_t{stored} * n, square = int64_t{stored} * stored;
  multiply<false>(device, {{t.cosines, n, 0}, {planes, n, picture}, {scratch, n, half_way}, stored, n, n});
  multiply<false>(device,
                  {{scratch, n, half_way}, {t.transposed, n, 0}, {coefficients, stored, square}, stored, stored, n});
}

// x += (C^T X) C
void add_inverse(Device& device, const CosineTransform& t, const float* coefficients, int band, float* scratch,
                 float* planes) {
  if (!is_sound(device, t, band)) return;
  const int n = t.size, stored = padded_band(band);
  const int64_t picture = int64_t{n} * n, half_way = int64_t{stored} * n, square = int64_t{stored} * stored;
  multiply<false>(
      device, {{t.transposed, n, 0}, {coefficients, stored, square}, {scratch, stored, half_way}, n, stored, stored});
  multiply<true>(device, {{scratch, stored, half_way}, {t.cosines, n, 0}, {planes, n, picture}, n, n, stored});
}

__global__ void __launch_bounds__(256)
    correct_kernel(const __grid_constant__ ConsistencyResponse response, const float* input, float* output) {
  const auto [u, v] = pixel_of_thread();
  const int stored = padded_band(response.band);
  if (u >= stored || v >= stored) return;
  const int64_t square = static_cast<int64_t>(stored) * stored;
  const int64_t at = static_cast<int64_t>(v) * stored + u;
  if (u >= response.band || v >= response.band) {
#pragma unroll
    for (int c = 0; c < kPlanes; ++c) output[c * square + at] = 0;
    return;
  }
  const CoefficientCorrection correction(response, u, v);
#pragma unroll
  for (int c = 0; c < kPlanes; ++c) {
    float& value = output[c * square + at];
    value = correction(response.scale * input[c * square + at], value);
  }
}

void correct(Device& device, const ConsistencyResponse& response, const float* input, float* output) {
  if (response.band < 1 || response.band > 4096 || response.steps < 1)
    return device.note_error(
        fail(Code::internal, "consistency: a band of ", response.band, " and ", response.steps, " steps"));
  const int stored = padded_band(response.band);
  gpu::launch(device, "consistency_correct", correct_kernel, picture_grid(stored, stored), kPictureBlock, 0, response,
              input, output);
}

}  // namespace

void set_consistency_kernels(PictureKernels* table) {
  table->consistency = {fill_matrices, forward, correct, add_inverse};
}

}  // namespace gpen::GPEN_GPU_NS
