#include "kernels/conv_gemm.h"

#include <algorithm>
#include <limits>

#include "runtime/tensor.h"

namespace gpen {

namespace {
std::optional<ConvPlan> forced_plan;
constexpr size_t kStaticShared = 2048;  // at most, of the kernels themselves
}  // namespace

void force_conv_plan(std::optional<ConvPlan> plan) { forced_plan = plan; }

int64_t row_tiles(const ConvWork& work, int rows) {
  int64_t tiles = 0;
  for (int i = 0; i < work.phases; ++i) tiles += ceil_div(work.rows[i], rows);
  return tiles;
}

bool takes_rgb(const ConvWork& work, const ConvPlan& plan) {
  return work.rgb && plan.splits == 1 && work.out_channels <= shape_of(plan.tile).columns;
}

bool takes_blur(const ConvWork& work, const ConvPlan& plan, const DeviceInfo& device) {
  const ConvTileShape shape = shape_of(plan.tile);
  return work.blur && plan.splits == 1 && shape.rows == BlurPatch::kRows * BlurPatch::kColumns &&
         BlurPatch::shared_bytes(shape.columns, work.coefficient_bytes) + kStaticShared <= device.shared_bytes;
}

// A model of the time: blocks run in waves over the multiprocessors; a step costs its products, a tile its prologue and
// epilogue, a split tile the writing and adding of its parts. Smaller tiles read shared memory more often for the same
// products: the efficiencies are estimates until they are measured (bench_gpu_conv2d times every plan).
// to_rgb in the epilogue saves a pass over the result that takes a sixteenth of the convolution's time or more: a plan
// that allows it may be that much slower than the best. Blurring while loading takes about as long as the pass that it
// saves, and is left to measured plans (both counted in docs/kernels.md).
ConvPlan choose_plan(const ConvWork& work, const DeviceInfo& device) {
  struct Candidate {
    ConvTile tile;
    double efficiency;
  };
  constexpr Candidate kCandidates[] = {{ConvTile::m128n128, 1.0}, {ConvTile::m128n64, 0.85}, {ConvTile::m64n64, 0.65}};
  constexpr int kMaxSplits = 16, kStepsOfAnEdge = 6, kStepsOfAPart = 1, kFewestSteps = 4;
  constexpr double kSavedByRgb = 1.0 / 16;
  const auto tiles_in = [&](const ConvTileShape& shape) {
    return row_tiles(work, shape.rows) * ceil_div(work.out_channels, shape.columns);
  };
  if (forced_plan.has_value()) {
    ConvPlan plan = *forced_plan;
    const size_t shared = shape_of(plan.tile).shared_bytes(work.coefficient_bytes) + kStaticShared;
    if (shared > device.shared_bytes) plan.tile = ConvTile::m64n64;
    if (tiles_in(shape_of(plan.tile)) > Device::kCounters / 4) plan.splits = 1;
    plan.splits = static_cast<int>(std::clamp<int64_t>(plan.splits, 1, work.steps));
    plan.blur_in_load = plan.blur_in_load && takes_blur(work, plan, device);
    plan.rgb_in_epilogue = plan.rgb_in_epilogue && takes_rgb(work, plan);
    return plan;
  }
  ConvPlan best, best_with_rgb;
  double shortest = std::numeric_limits<double>::max(), shortest_with_rgb = shortest;
  for (const Candidate& c : kCandidates) {
    const ConvTileShape shape = shape_of(c.tile);
    const size_t shared = shape.shared_bytes(work.coefficient_bytes) + kStaticShared;
    if (shared > device.shared_bytes && c.tile != ConvTile::m64n64) continue;
    const int64_t tiles = tiles_in(shape);
    const double step = shape.rows * shape.columns / c.efficiency;
    for (int splits = 1; splits <= kMaxSplits; splits *= 2) {
      if (splits > 1 && (work.steps / splits < kFewestSteps || tiles > Device::kCounters / 4)) break;
      const int64_t waves = ceil_div(tiles * splits, device.multiprocessors);
      const double steps = static_cast<double>(ceil_div(work.steps, splits)) + kStepsOfAnEdge +
                           (splits > 1 ? kStepsOfAPart * (splits + 2) : 0);
      const double time = static_cast<double>(waves) * steps * step;
      if (time < shortest) {
        shortest = time;
        best = {c.tile, splits};
      }
      ConvPlan plan = {c.tile, splits};
      plan.rgb_in_epilogue = takes_rgb(work, plan);
      if (plan.rgb_in_epilogue && time < shortest_with_rgb) {
        shortest_with_rgb = time;
        best_with_rgb = plan;
      }
    }
  }
  return shortest_with_rgb <= shortest * (1 + kSavedByRgb) ? best_with_rgb : best;
}

}  // namespace gpen
