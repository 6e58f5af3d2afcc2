// What the photo pipeline does to pixels, on a device: pictures stay in its memory from the upload of the photo to the
// download of the result. The formulas, and the order of the floating-point operations, are those of
// pipeline/geometry.h, detection.h, tasks.h and paste.h, so that both give the same bytes; this room must not know that
// one, hence the plain types below.
//
// All pointers are in the device's memory. All functions put work on the device's stream and return; errors are noted
// in the device (Code::internal for sizes that no caller should pass). Pixel centres have integer coordinates;
// coordinates are computed in double, everything else in float. Bytes are levels 0..255, rounded to nearest (ties to
// even) unless stated otherwise, with NaN to 0. Source and destination do not overlap unless stated otherwise.
#pragma once
#include <concepts>
#include <cstdint>

#include "kernels/consistency.h"
#include "kernels/degradation.h"
#include "runtime/device.h"

namespace gpen {

// Interleaved pixels: element (y, x, c) at data[(y * width + x) * channels + c].
template <class T>
struct DevicePixels {
  T* data = nullptr;
  int width = 0, height = 0, channels = 1;
  // To pixels that are only read.
  template <std::same_as<const T> Constant>
  operator DevicePixels<Constant>() const {
    return {data, width, height, channels};
  }
};

// (x, y) -> (m00 x + m01 y + m02, m10 x + m11 y + m12)
struct DeviceAffine {
  double m[2][3];
};

// The pixels [x0, x1) x [y0, y1).
struct DeviceRect {
  int x0, y0, x1, y1;
};

// The answer of a network, 3 x height x width planes in [0,1], of which the part from (x0, y0) on is wanted.
struct DeviceTile {
  const float* planes;
  int width, height, x0, y0;
};

// Half of a symmetric filter, its centre first.
struct BlurTaps {
  static constexpr int kMaxReach = 63;
  int reach = 0;  // taps on either side of the centre
  float weights[kMaxReach + 1] = {};
};

// What a network reads in its three planes, from levels v.
enum class PlaneFormat {
  unit,            // R, G, B: v / 255
  symmetric,       // R, G, B: (v / 255 - 1/2) / (1/2)
  gray_symmetric,  // three times the luma 0.299 R + 0.587 G + 0.114 B (in double), rounded to a level, as symmetric
  bgr_minus_mean,  // B - 104, G - 117, R - 123
};

enum class LevelRounding { nearest, truncate };

// The functions. Two tables exist, compiled from the same kernels/picture*.cu.
struct PictureKernels {
  // Bilinear without antialiasing, 1 or 3 channels: destination pixel i samples the source at (i + 1/2) * step - 1/2,
  // clamped to the picture; a step of 0 or less means source side / destination side. Both weights are rounded to
  // float, rows are interpolated along x first.
  void (*resize_bytes)(Device& device, DevicePixels<const uint8_t> source, DevicePixels<uint8_t> destination,
                       double step_x, double step_y);
  void (*resize_bytes_to_floats)(Device& device, DevicePixels<const uint8_t> source, DevicePixels<float> destination,
                                 double step_x, double step_y);
  void (*resize_floats)(Device& device, DevicePixels<const float> source, DevicePixels<float> destination,
                        double step_x, double step_y);

  // The same sampling of an RGB picture, without rounding to levels, into a network's input: planes is
  // 3 x height x width. At the source's size, with steps of 1, the levels themselves are what is converted.
  void (*resize_to_planes)(Device& device, DevicePixels<const uint8_t> source, float* planes, int width, int height,
                           double step_x, double step_y, PlaneFormat format);
  // A network's output, 3 x height x width planes in the format unit or symmetric, as RGB levels: truncate clamps
  // (v / 2 + 1/2) * 255 or v * 255 to 0..255 and drops the fraction, as published; nearest rounds it.
  void (*planes_to_bytes)(Device& device, const float* planes, PlaneFormat format, LevelRounding rounding,
                          DevicePixels<uint8_t> picture);
  // A tile of an RGB picture for a network: planes is 3 x rows x columns of `tile`, levels / 255. To the right and
  // below the picture is continued by mirroring without repeating the edge; the tile's corner is no less than (0, 0).
  void (*cut_tile)(Device& device, DevicePixels<const uint8_t> source, DeviceRect tile, float* planes);
  // The network's answer for a tile as the pixels `to` of the RGB picture: v * 255, clamped and rounded to nearest.
  void (*paste_tile)(Device& device, DeviceTile tile, DeviceRect to, DevicePixels<uint8_t> picture);
  // *found (in the device's memory) becomes 1 when a value is infinite or NaN, else 0.
  void (*find_not_finite)(Device& device, const float* values, int64_t count, unsigned* found);

  // destination(x, y) = source(to_source(x, y)): bilinear, the outside of the source is 0. 3 channels of bytes, or 1 of
  // floats.
  void (*warp_bytes)(Device& device, DevicePixels<const uint8_t> source, const DeviceAffine& to_source,
                     DevicePixels<uint8_t> destination);
  void (*warp_floats)(Device& device, DevicePixels<const float> source, const DeviceAffine& to_source,
                      DevicePixels<float> destination);

  // keep, side x side: 0 where the most likely class of logits, classes x side x side, is one of `dropped` (bit c for
  // class c; classes from 32 on are kept), else 1. Ties go to the lower class.
  void (*keep_classes)(Device& device, const float* logits, int classes, int side, uint32_t dropped, float* keep);
  // One channel, filtered along columns into scratch (of the plane's size), then along rows into destination, which may
  // be the source. Outside of the source, and in the `border` outermost pixels on each side of it, there are zeros. The
  // sum runs in float, from the first tap to the last.
  void (*blur)(Device& device, DevicePixels<const float> source, const BlurTaps& taps, int border, float* scratch,
               float* destination);
  // [1 2 1] x [1 2 1] / 16 of 3 channels, mirrored at the border without repeating the edge.
  void (*smooth_121)(Device& device, DevicePixels<const uint8_t> source, uint8_t* destination);

  // out = restored * alpha + crop * (1 - alpha), for `count` bytes; out may be one of the others.
  void (*blend)(Device& device, const uint8_t* restored, const uint8_t* crop, double alpha, uint8_t* out,
                int64_t count);
  // One face onto the canvas (mask, faces: one size, 1 and 3 channels): at each pixel of `reach`, which lies within the
  // canvas, face_mask is sampled at to_crop(pixel), bilinear with zeros around; where that exceeds the canvas's mask,
  // the canvas takes it, and there the face's sampled colour. face: 3 channels; face_mask: 1.
  void (*paste_face)(Device& device, DevicePixels<const uint8_t> face, DevicePixels<const float> face_mask,
                     const DeviceAffine& to_crop, DeviceRect reach, DevicePixels<float> mask, uint8_t* faces);
  // picture = picture * (1 - mask) + faces * mask; 3 channels, mask: picture's size.
  void (*paste_canvas)(Device& device, const float* mask, const uint8_t* faces, DevicePixels<uint8_t> picture);

  // The tasks that finish their picture with the input's help (pipeline/tasks.h). Both pictures have 3 channels and one
  // size.
  // White (255, 255, 255) pixels of the source are holes: where warp_bytes mixes one into the crop, the crop becomes
  // white.
  void (*mark_warped_holes)(Device& device, DevicePixels<const uint8_t> source, const DeviceAffine& to_source,
                            DevicePixels<uint8_t> crop);
  // Gives the picture the input's luma: C = Y + fit (C - Y'), Y and Y' the lumas of input and picture in double, fit
  // the largest share up to 1 that keeps all channels within 0..255.
  void (*keep_luma)(Device& device, DevicePixels<const uint8_t> input, uint8_t* picture);
  // picture += share * weight * (input - picture); weight is 0 in the input's holes and up to 2 pixels from one, rising
  // linearly to 1 at 8 pixels (Chebyshev distance). scratch: a byte for each pixel.
  void (*keep_known)(Device& device, DevicePixels<const uint8_t> input, double share, uint8_t* scratch,
                     uint8_t* picture);

  // Planar faces, 3 x size x size floats, made to agree with the photo (kernels/consistency.h).
  ConsistencyKernels consistency;
  // What the photo did to them, as far as it is measured on their pixels (kernels/degradation.h).
  DegradationKernels degradation;
};

namespace cuda {
const PictureKernels& picture_kernels();
}
namespace emulated {
const PictureKernels& picture_kernels();
}

}  // namespace gpen
