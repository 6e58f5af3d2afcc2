// Restored faces back into the picture.
#include "kernels/picture_impl.h"

namespace gpen::GPEN_GPU_NS {

namespace {

__device__ __forceinline__ int mirrored(int i, int n) { return n == 1 ? 0 : i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; }

__global__ void __launch_bounds__(256) smooth_121_kernel(DevicePixels<const uint8_t> source, uint8_t* destination) {
  const auto [x, y] = pixel_of_thread();
  if (x >= source.width || y >= source.height) return;
  int sum[3] = {};
#pragma unroll
  for (int dy = -1; dy <= 1; ++dy) {
    const int row = mirrored(y + dy, source.height);
#pragma unroll
    for (int dx = -1; dx <= 1; ++dx) {
      const uint8_t* const rgb = source.data + 3 * pixel_offset(source, mirrored(x + dx, source.width), row);
      const int weight = (dx == 0 ? 2 : 1) * (dy == 0 ? 2 : 1);
#pragma unroll
      for (int c = 0; c < 3; ++c) sum[c] += weight * rgb[c];
    }
  }
  uint8_t* const out = destination + 3 * pixel_offset(source, x, y);
#pragma unroll
  for (int c = 0; c < 3; ++c) out[c] = to_level(static_cast<float>(sum[c]) * 0.0625f);
}

void smooth_121(Device& device, DevicePixels<const uint8_t> source, uint8_t* destination) {
  if (source.channels != 3)
    return device.note_error(fail(Code::internal, "smooth_121: ", source.channels, " channels, expected 3"));
  gpu::launch(device, "smooth_121", smooth_121_kernel, picture_grid(source.width, source.height), kPictureBlock, 0,
              source, destination);
}

__global__ void __launch_bounds__(256)
    blend_kernel(const uint8_t* restored, const uint8_t* crop, float a, float b, uint8_t* out, int64_t count) {
  for (int64_t i = strided_first(); i < count; i += strided_step()) out[i] = to_level(restored[i] * a + crop[i] * b);
}

void blend(Device& device, const uint8_t* restored, const uint8_t* crop, double alpha, uint8_t* out, int64_t count) {
  gpu::launch(device, "blend", blend_kernel, strided_grid(device, count), dim3(256), 0, restored, crop,
              static_cast<float>(alpha), static_cast<float>(1 - alpha), out, count);
}

__global__ void __launch_bounds__(256)
    paste_face_kernel(DevicePixels<const uint8_t> face, DevicePixels<const float> face_mask, DeviceAffine to_crop,
                      DeviceRect reach, DevicePixels<float> mask, uint8_t* faces) {
  const PixelIndex in_reach = pixel_of_thread();
  const int x = reach.x0 + in_reach.x, y = reach.y0 + in_reach.y;
  if (x >= reach.x1 || y >= reach.y1) return;
  const int64_t pixel = pixel_offset(mask, x, y);
  const BilinearAt at_mask = locate(to_crop, x, y, face_mask.width, face_mask.height);
  const float m = at_mask.inside ? sample_channel(at_mask, face_mask, 1, 0) : 0.0f;
  if (!(m > mask.data[pixel])) return;
  mask.data[pixel] = m;
  const BilinearAt at = locate(to_crop, x, y, face.width, face.height);
#pragma unroll
  for (int c = 0; c < 3; ++c) faces[3 * pixel + c] = at.inside ? to_level(sample_channel(at, face, 3, c)) : uint8_t{0};
}

void paste_face(Device& device, DevicePixels<const uint8_t> face, DevicePixels<const float> face_mask,
                const DeviceAffine& to_crop, DeviceRect reach, DevicePixels<float> mask, uint8_t* faces) {
  if (reach.x1 <= reach.x0 || reach.y1 <= reach.y0) return;
  if (reach.x0 < 0 || reach.y0 < 0 || reach.x1 > mask.width || reach.y1 > mask.height || face.channels != 3 ||
      face_mask.channels != 1 || mask.channels != 1)
    return device.note_error(fail(Code::internal, "paste_face: pixels ", reach.x0, " to ", reach.x1, ", rows ",
                                  reach.y0, " to ", reach.y1, " of a canvas of ", mask.width, "x", mask.height,
                                  ", or wrong channels"));
  gpu::launch(device, "paste_face", paste_face_kernel, picture_grid(reach.x1 - reach.x0, reach.y1 - reach.y0),
              kPictureBlock, 0, face, face_mask, to_crop, reach, mask, faces);
}

__global__ void __launch_bounds__(256)
    paste_canvas_kernel(const float* mask, const uint8_t* faces, DevicePixels<uint8_t> picture) {
  const auto [x, y] = pixel_of_thread();
  if (x >= picture.width || y >= picture.height) return;
  const int64_t pixel = pixel_offset(picture, x, y);
  const float m = mask[pixel];
  if (m <= 0) return;  // Most of a picture: its faces and bytes are not read.
  uint8_t* const out = picture.data + 3 * pixel;
#pragma unroll
  for (int c = 0; c < 3; ++c) out[c] = to_level(out[c] * (1 - m) + faces[3 * pixel + c] * m);
}

void paste_canvas(Device& device, const float* mask, const uint8_t* faces, DevicePixels<uint8_t> picture) {
  if (picture.channels != 3)
    return device.note_error(fail(Code::internal, "paste_canvas: ", picture.channels, " channels, expected 3"));
  gpu::launch(device, "paste_canvas", paste_canvas_kernel, picture_grid(picture.width, picture.height), kPictureBlock,
              0, mask, faces, picture);
}

}  // namespace

void set_paste_kernels(PictureKernels* table) {
  table->smooth_121 = smooth_121;
  table->blend = blend;
  table->paste_face = paste_face;
  table->paste_canvas = paste_canvas;
}

}  // namespace gpen::GPEN_GPU_NS
