// What the four networks have in common.
//
// load() checks every tensor against the architecture, folds and packs the weights (in parallel) and may release the
// mapped file's pages. forward() takes planar fp32 and gives planar fp32; it allocates nothing once it has seen the
// shape (a new shape plans the arena anew). One forward() at a time per network object.
#pragma once
#include <memory>
#include <vector>

#include "runtime/status.h"
#include "runtime/tensor.h"
#include "runtime/thread_pool.h"
#include "weights/architecture.h"

namespace gpen {

// Wall time of one part of a forward(), for `gpen bench --layers` and --timings.
struct LayerTime {
  const char* layer;
  double ms;
  double gflop;       // direct-equivalent: 2 * multiply-adds of the plain convolution
  double true_gflop;  // 2 * the multiplications that were done
};

}  // namespace gpen
