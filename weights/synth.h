// Weights without a checkpoint: formula weights (a pure function of name and index) and analytic GPENs.
#pragma once
#include <string>

#include "runtime/thread_pool.h"
#include "weights/architecture.h"

namespace gpen {

// value = float32(offset + gain * unit(name, index)); the table of offsets and gains is in docs/format.md.
float formula_unit_value(uint64_t name_hash, uint64_t index, double offset, double gain);
uint64_t formula_hash(const std::string& name);  // FNV-1a 64
// scale * unit for `count` elements: the input tensors of the golden data.
std::vector<float> formula_tensor(const std::string& name, int64_t count, double scale);

enum class SynthKind { formula, identity, negative, sharpen };

// All tensors of the architecture as owned fp32 (blur kernels as the architecture defines them, batch-norm counters 0),
// metadata filled. `pool` may speed the formula kind up; the values do not depend on it.
//
// The analytic kinds exist for GPEN only, with one size for input and output (sharpen: at least 16) and at least 6
// channels at the finest level (sharpen: the three finest); Code::usage otherwise. The whole network computes y = x,
// y = -x, or x plus its own detail, for any x:
//
// 1. Carrying. ecd0 maps RGB to six channels +R +G +B -R -G -B without bias. For any v
//        lrelu(v) - lrelu(-v) = 1.2 v,
//    so a pair of channels that hold lrelu(v) and lrelu(-v) carries v through an activation exactly, for any range and
//    without an offset (zero padding then means mid-gray, and nothing is lost to rounding in low precisions).
//    ecd1, ecd2, ... take the difference of each pair at the centre tap of the 3x3 kernel and make a new pair of it:
//    with equal_conv2d's 1/sqrt(9 in), gain g = 1 / (1.2 sqrt 2) gives back what entered the activation before. The
//    blur in front and the stride make feature k the picture x blurred by outer([1,3,3,1])/64 and halved k times: B^k
//    x.
// 2. Picking up. The feature of a level enters the second half of its channels (noise weight 1) and passes one more
//    activation: the pair becomes 2 lrelu(lrelu(v)) and 2 lrelu(lrelu(-v)), and lrelu(lrelu(v)) is v or 0.04 v, so its
//    difference is 2.08 v. All decoder convolutions, biases, the constant input and the mapping network are zero, the
//    modulation is its bias, 1. to_rgb reads the pair, with modulated_conv2d's 1/sqrt(in) undone: the level adds
//    gain * B^k x to the picture.
// 3. identity: gain 1 at the finest level. negative: -1. sharpen: 1.8, -0.5, -0.3 at the three finest levels, so that
//        y = 1.8 x - 0.5 U B x - 0.3 U U B B x,   U = to_rgb's upsampling (up 2, 4 f, pad (2,1)),
//    which keeps flat colour as it is (the gains add up to 1) and amplifies what B removes.
Result<WeightStore> synthesize(const Architecture& arch, SynthKind kind, const std::string& seed = "",
                               ThreadPool* pool = nullptr);

// A small GPEN of the same size for the analytic kinds: 16 channels everywhere (one block of the blocked layout),
// style_dim 16, one mapping layer: a file of half a megabyte and a fast network. Other families are returned as they
// are.
Architecture analytic_architecture(const Architecture& arch);

}  // namespace gpen
