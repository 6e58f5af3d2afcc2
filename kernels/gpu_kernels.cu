#include "kernels/gpu_functions.h"

namespace gpen::GPEN_GPU_NS {

const GpuKernels& gpu_kernels() {
  static const GpuKernels table = {
      .conv2d = conv2d,
      .upconv2d = upconv2d,
      .to_rgb = to_rgb,
      .linear = linear,
      .pixel_norm = pixel_norm,
      .mapping_network = mapping_network,
      .to_stem_pixels = to_stem_pixels,
      .apply_rgb_stem = apply_rgb_stem,
      .fill_normal_noise = fill_normal_noise,
      .to_blocked = to_blocked,
      .to_planar = to_planar,
      .add_upsampled = add_upsampled,
      .max_pool = max_pool,
      .depthwise_conv2d = depthwise_conv2d,
      .picture = &picture_kernels(),
  };
  return table;
}

}  // namespace gpen::GPEN_GPU_NS
