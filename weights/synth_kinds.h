// The two makers behind synthesize(): tensors only, no metadata.
#pragma once
#include "weights/synth.h"

namespace gpen::detail {

WeightStore formula_weights(const Architecture& arch, const std::string& seed, ThreadPool* pool);
// kind: identity, negative or sharpen. Code::usage when the architecture cannot carry it.
Result<WeightStore> analytic_weights(const Architecture& arch, SynthKind kind);

}  // namespace gpen::detail
