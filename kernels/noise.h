// Unit normal noise for the levels of FullGenerator_SR that have no encoder feature.
#pragma once
#include "runtime/workspace.h"

namespace gpen {

// Fills an activation; nothing when exec.dry(). Every value depends on seed, layer, channel and position alone, so a run can be repeated and
// an image gets the same noise alone and in a batch. The zero channels of the last block are written as zero.
void fill_normal_noise(Exec& exec, uint64_t seed, uint64_t layer, TensorView t);

}  // namespace gpen
