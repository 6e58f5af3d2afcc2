// The photo around the faces, enlarged: by RealESRNet (layers/rrdbnet.h) as the new background, and plainly as the
// picture that the faces are detected on and cropped from (docs/reference.md 6).
#pragma once
#include <cstddef>
#include <functional>

#include "layers/rrdbnet.h"
#include "pipeline/image.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen {

struct UpscaleOptions {
  int tile = 0;                            // input pixels per side; 0: the whole photo in one piece
  size_t memory_limit = size_t{4} << 30;   // bytes for upscale_bytes(); the network's own arena comes on top
  std::function<bool(int, int)> progress;  // tiles done, tiles in all; returning false cancels
};

// Peak of the pictures that are held at once: the result in 8 bits and the network's input and output, planar fp32.
size_t upscale_bytes(int64_t width, int64_t height, int scale);

// 8-bit RGB -> [0,1] -> network -> clamped, rounded to 8 bits; alpha is enlarged bilinearly. The result is
// net.arch().scale times as large. Code::usage for an empty photo or a negative tile, Code::memory "... needs N MB, the
// limit is M MB" before anything is allocated, Code::cancelled, or what the network reports.
Result<Image> upscale_background(RrdbNet& net, const Image& photo, const UpscaleOptions& options, ThreadPool& pool);

// What the ways of upscaling (here and in device_background.h) have in common. Code::usage for an empty photo or a
// negative tile, Code::memory when the pictures' bytes are more than the limit.
Status check_upscaling(int width, int height, int scale, size_t bytes, const UpscaleOptions& options);
// Code::memory of a photo in one piece, with the advice to divide it; another status as it is.
Status advise_tiles(Status status, const UpscaleOptions& options);
// The upscaled photo but for its rgb: size, alpha (enlarged bilinearly), and what the file was.
Image enlarged_without_pixels(const Image& photo, int scale, ThreadPool& pool);

// `scale` times as large: bilinear, half-pixel centres, rounded; alpha too.
Image enlarge(const Image& photo, int scale, ThreadPool& pool);

}  // namespace gpen
