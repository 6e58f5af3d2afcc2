// The soft mask of a face: the classes that count as face, and the blur.
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

__global__ void __launch_bounds__(256)
    keep_classes_kernel(const float* logits, int classes, int side, uint32_t dropped, float* keep) {
  const auto [x, y] = pixel_of_thread();
  if (x >= side || y >= side) return;
  const int64_t plane = static_cast<int64_t>(side) * side, pixel = static_cast<int64_t>(y) * side + x;
  int best = 0;
  float most = logits[pixel];
  for (int c = 1; c < classes; ++c) {
    const float logit = logits[c * plane + pixel];
    if (logit > most) best = c, most = logit;
  }
  keep[pixel] = best < 32 && (dropped >> best & 1u) ? 0.0f : 1.0f;
}

void keep_classes(Device& device, const float* logits, int classes, int side, uint32_t dropped, float* keep) {
  gpu::launch(device, "keep_classes", keep_classes_kernel, picture_grid(side, side), kPictureBlock, 0, logits, classes,
              side, dropped, keep);
}

__device__ __forceinline__ int magnitude(int k) { return k < 0 ? -k : k; }

// A block's tiles: each thread computes four outputs, 8 rows apart along columns, 32 columns apart along rows. The
// shared memory holds the tile and the pixels that its filter reaches.
constexpr int kColumnTile = 32, kRowTile = 128;

__global__ void __launch_bounds__(256)
    blur_columns_kernel(DevicePixels<const float> source, const __grid_constant__ BlurTaps taps, int border,
                        float* destination) {
  float* const column = gpu::dynamic_shared<float>();  // (kColumnTile + 2 reach) x 32
  const int width = source.width, height = source.height, reach = taps.reach;
  const int lane = static_cast<int>(threadIdx.x), first_row = static_cast<int>(threadIdx.y);
  const int x = static_cast<int>(blockIdx.x) * 32 + lane, top = static_cast<int>(blockIdx.y) * kColumnTile;
  for (int row = first_row; row < kColumnTile + 2 * reach; row += 8) {
    const int y = top + row - reach;
    const bool inside = x >= border && x < width - border && y >= border && y < height - border;
    column[row * 32 + lane] = inside ? source.data[pixel_offset(source, x, y)] : 0.0f;
  }
  __syncthreads();
  if (x >= width) return;
  for (int row = first_row; row < kColumnTile && top + row < height; row += 8) {
    float sum = 0;
    for (int k = -reach; k <= reach; ++k) sum += taps.weights[magnitude(k)] * column[(row + reach + k) * 32 + lane];
    destination[pixel_offset(source, x, top + row)] = sum;
  }
}

__global__ void __launch_bounds__(256)
    blur_rows_kernel(DevicePixels<const float> source, const __grid_constant__ BlurTaps taps, float* destination) {
  const int width = source.width, reach = taps.reach, stride = kRowTile + 2 * reach;
  float* const row = gpu::dynamic_shared<float>() + threadIdx.y * stride;  // of 8 x stride
  const int lane = static_cast<int>(threadIdx.x), left = static_cast<int>(blockIdx.x) * kRowTile;
  const int y = static_cast<int>(blockIdx.y * 8 + threadIdx.y);
  for (int i = lane; i < stride; i += 32) {
    const int x = left + i - reach;
    row[i] = y < source.height && x >= 0 && x < width ? source.data[pixel_offset(source, x, y)] : 0.0f;
  }
  __syncthreads();
  if (y >= source.height) return;
  for (int i = lane; i < kRowTile && left + i < width; i += 32) {
    float sum = 0;
    for (int k = -reach; k <= reach; ++k) sum += taps.weights[magnitude(k)] * row[i + reach + k];
    destination[pixel_offset(source, left + i, y)] = sum;
  }
}

void blur(Device& device, DevicePixels<const float> source, const BlurTaps& taps, int border, float* scratch,
          float* destination) {
  if (source.channels != 1 || taps.reach < 0 || taps.reach > BlurTaps::kMaxReach || border < 0)
    return device.note_error(fail(Code::internal, "blur: ", source.channels, " channels, ", taps.reach,
                                  " taps on either side, a border of ", border));
  const auto blocks = [](int pixels, int tile) { return static_cast<unsigned>((pixels + tile - 1) / tile); };
  const auto reached = static_cast<size_t>(2 * taps.reach);
  gpu::launch(device, "blur_columns", blur_columns_kernel,
              dim3(blocks(source.width, 32), blocks(source.height, kColumnTile)), dim3(32, 8),
              (kColumnTile + reached) * 32 * sizeof(float), source, taps, border, scratch);
  const DevicePixels<const float> filtered{scratch, source.width, source.height, 1};
  gpu::launch(device, "blur_rows", blur_rows_kernel, dim3(blocks(source.width, kRowTile), blocks(source.height, 8)),
              dim3(32, 8), (kRowTile + reached) * 8 * sizeof(float), filtered, taps, destination);
}

}  // namespace

void set_mask_kernels(PictureKernels* table) {
  table->keep_classes = keep_classes;
  table->blur = blur;
}

}  // namespace gpen::GPEN_GPU_NS
