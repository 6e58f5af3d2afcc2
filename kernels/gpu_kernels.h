// The kernels of a device: one function for each kernel of the processor, of the same type, so that a changed signature
// does not compile. The processor's function is the entrance: it checks, and hands over to the device's when exec has
// one. Two tables exist: cuda::gpu_kernels() and emulated::gpu_kernels(), compiled from the same .cu files.
#pragma once
#include "kernels/add_upsampled.h"
#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/layout.h"
#include "kernels/linear.h"
#include "kernels/mapping.h"
#include "kernels/max_pool.h"
#include "kernels/noise.h"
#include "kernels/picture.h"
#include "kernels/rgb_stem.h"
#include "kernels/to_rgb.h"
#include "kernels/upconv2d.h"

namespace gpen {

struct GpuKernels {
  decltype(&gpen::conv2d) conv2d;
  decltype(&gpen::upconv2d) upconv2d;
  decltype(&gpen::to_rgb) to_rgb;
  decltype(&gpen::linear) linear;
  decltype(&gpen::pixel_norm) pixel_norm;
  decltype(&gpen::mapping_network) mapping_network;
  decltype(&gpen::to_stem_pixels) to_stem_pixels;
  decltype(&gpen::apply_rgb_stem) apply_rgb_stem;
  decltype(&gpen::fill_normal_noise) fill_normal_noise;
  decltype(&gpen::to_blocked) to_blocked;
  decltype(&gpen::to_planar) to_planar;
  decltype(&gpen::add_upsampled) add_upsampled;
  decltype(&gpen::max_pool) max_pool;
  decltype(&gpen::depthwise_conv2d) depthwise_conv2d;
  const PictureKernels* picture;
};

}  // namespace gpen
