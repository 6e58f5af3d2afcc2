// What the tasks of the released models do differently around the network, on an aligned face (a square picture).
//
//  task      network input                       finished picture
//  restore   RGB in [-1,1]                       the output
//  colorize  luma as three equal channels        the output's colour with the input's luma
//  inpaint   RGB; pure white pixels are holes    the output; known pixels drawn to the input by lambda
//  seg2face  label colours in [0,1]              the output, [0,1]
//
// Luma and colour differences are BT.601 full range: Y = 0.299 R + 0.587 G + 0.114 B, U = 0.492 (B - Y),
// V = 0.877 (R - Y). To 8 bits: the network's output is clamped and truncated, as published; what is computed from it
// afterwards is rounded to nearest.
#pragma once
#include <cstdint>
#include <string>

#include "pipeline/geometry.h"
#include "pipeline/image.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen {

enum class Task { restore, colorize, inpaint, seg2face };

struct TaskTraits {
  const char* name;
  bool unit_range;   // network values in [0,1] instead of [-1,1]
  bool labels;       // the input is a map of label colours: they must not be mixed when it is resized
  bool consistency;  // the input is a degraded photo of the result: closed-loop consistency has a meaning
};
const TaskTraits& traits(Task task);
// By name. Code::usage with the known names.
Result<Task> parse_task(const std::string& name);

// 3 x height x width planar for the network. colorize: the luma rounded to 8 bits, as a gray picture would hold it.
void task_input(Task task, const Image& picture, float* planar);
// The network's planar output, 3 x height x width, clamped and truncated to 8 bits.
Image task_output(Task task, const float* planar, int width, int height);
// Steps after the network: colorize keep_luma(), inpaint keep_known() with lambda, else nothing. input and picture have
// one size.
void finish_task(Task task, const Image& input, double lambda, Image* picture);

// Gives every pixel of `picture` the luma of `input`. Colour differences that do not fit into 0..255 at that luma are
// reduced together, which keeps luma and hue where plain clipping would change both. The luma is right to half a level
// (the rounding of three channels).
void keep_luma(const Image& input, Image* picture);

// Weight of the known pixels of an inpainting input: 0 in holes (255,255,255) and within 2 pixels of one, where
// resampling has mixed them, rising linearly to 1 at 8 pixels (Chebyshev distance); 1 everywhere without a hole.
Plane known_weight(const Image& input);
// picture = picture + lambda * known_weight * (input - picture), rounded. lambda 0: unchanged, the published output,
// which is the network's whole picture. lambda 1: known pixels away from the holes are the input's, exactly.
void keep_known(const Image& input, double lambda, Image* picture);

// A picture that is not square keeps its aspect: it is resized to fit a square of side `side`, centred, and the rest
// repeats its edge. Where it lies:
Rect placed_in_square(int width, int height, int side);
// Bilinear without antialiasing; labels: nearest sample; inpaint: pixels that a hole was mixed into become holes.
Image to_square(Task task, const Image& picture, int side, ThreadPool& pool);
// Cuts the picture out again; `square` may have another side than to_square() was called with.
Image from_square(const Image& square, int width, int height);

}  // namespace gpen
