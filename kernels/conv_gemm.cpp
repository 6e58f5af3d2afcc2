#include "kernels/conv_gemm.h"

#include <algorithm>
#include <limits>

#include "kernels/conv_plans.h"
#include "runtime/tensor.h"

namespace gpen {

namespace {
std::optional<ConvPlan> forced_plan;

constexpr size_t kStaticShared = 2048;                      // at most, of the kernels themselves
constexpr int64_t kMostSplitTiles = Device::kCounters / 4;  // of one image

int64_t tiles_of(const ConvWork& work, const ConvTileShape& shape) {
  return row_tiles(work, shape.rows) * ceil_div(work.out_channels, shape.columns);
}

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

size_t partial_floats(const ConvWork& work, const ConvPlan& plan) {
  if (plan.splits == 1) return 0;
  const ConvTileShape shape = shape_of(plan.tile);
  return static_cast<size_t>(tiles_of(work, shape) * plan.splits * shape.rows * shape.columns);
}

Status check_plan(const ConvPlan& plan, const ConvWork& work, const DeviceInfo& device) {
  const ConvTileShape shape = shape_of(plan.tile);
  const size_t shared = shape.shared_bytes(work.coefficient_bytes) + kStaticShared;
  // The smallest tile is what every device runs.
  if (shared > device.shared_bytes && plan.tile != ConvTile::m64n64)
    return fail(Code::usage, "tile ", shape.name, " needs ", shared, " bytes of shared memory, the device has ",
                device.shared_bytes);
  if (plan.splits < 1 || plan.splits > kMostSplits)
    return fail(Code::usage, "splits ", plan.splits, " are not from 1 to ", kMostSplits);
  if (plan.splits > work.steps) return fail(Code::usage, plan.splits, " splits of ", work.steps, " steps");
  if (plan.splits > 1 && tiles_of(work, shape) > kMostSplitTiles)
    return fail(Code::usage, "a layer of ", tiles_of(work, shape), " tiles cannot be split, at most ", kMostSplitTiles);
  if (plan.blur_in_load && !takes_blur(work, plan, device))
    return fail(Code::usage, "tile ", shape.name, " cannot blur what it loads");
  if (plan.rgb_in_epilogue && !takes_rgb(work, plan))
    return fail(Code::usage, "tile ", shape.name, " does not hold what to_rgb needs");
  return {};
}

std::vector<ConvPlan> candidate_plans(const ConvWork& work, const DeviceInfo& device) {
  std::vector<ConvPlan> plans;
  const auto consider = [&](const ConvPlan& plan) {
    if (check_plan(plan, work, device).ok()) plans.push_back(plan);
  };
  for (const ConvTile tile : kConvTiles)
    for (int splits = 1; splits <= kMostSplits; splits *= 2) {
      consider({tile, splits});
      if (work.blur) consider({tile, splits, true, false});
      if (work.rgb) consider({tile, splits, false, true});
    }
  return plans;
}

// Blocks run in waves over the multiprocessors; a step costs its products, a tile its prologue and epilogue, a split
// tile the writing and adding of its parts. Smaller tiles read shared memory more often for the same products.
// to_rgb in the epilogue saves a pass over the result that takes a sixteenth of the convolution's time or more: a plan
// that allows it may be that much slower than the best. Blurring while loading takes about as long as the pass that it
// saves, and is left to measured plans (both counted in docs/kernels.md). The constants are estimates: what a device
// really takes is measured by `gpen tune`.
ConvPlan estimate_plan(const ConvWork& work, const DeviceInfo& device) {
  constexpr double kEfficiency[] = {1.0, 0.85, 0.65};  // of the tiles
  constexpr int kStepsOfAnEdge = 6, kStepsOfAPart = 1, kFewestSteps = 4;
  constexpr double kSavedByRgb = 1.0 / 16;
  ConvPlan best, best_with_rgb;
  double shortest = std::numeric_limits<double>::max(), shortest_with_rgb = shortest;
  for (const ConvPlan& plan : candidate_plans(work, device)) {
    if (plan.splits > 1 && work.steps / plan.splits < kFewestSteps) continue;
    if (plan.blur_in_load) continue;
    const ConvTileShape shape = shape_of(plan.tile);
    const int64_t waves = ceil_div(tiles_of(work, shape) * plan.splits, device.multiprocessors);
    const double steps = static_cast<double>(ceil_div(work.steps, plan.splits)) + kStepsOfAnEdge +
                         (plan.splits > 1 ? kStepsOfAPart * (plan.splits + 2) : 0);
    const double step = shape.rows * shape.columns / kEfficiency[static_cast<int>(plan.tile)];
    const double time = static_cast<double>(waves) * steps * step;
    if (time >= (plan.rgb_in_epilogue ? shortest_with_rgb : shortest)) continue;
    (plan.rgb_in_epilogue ? shortest_with_rgb : shortest) = time;
    (plan.rgb_in_epilogue ? best_with_rgb : best) = plan;
  }
  return shortest_with_rgb <= shortest * (1 + kSavedByRgb) ? best_with_rgb : best;
}

ConvPlan choose_plan(const ConvWork& work, Precision precision, const Device& device) {
  if (forced_plan.has_value()) {
    ConvPlan plan = *forced_plan;
    const size_t shared = shape_of(plan.tile).shared_bytes(work.coefficient_bytes) + kStaticShared;
    if (shared > device.info().shared_bytes) plan.tile = ConvTile::m64n64;
    if (tiles_of(work, shape_of(plan.tile)) > kMostSplitTiles) plan.splits = 1;
    plan.splits = static_cast<int>(std::clamp<int64_t>(plan.splits, 1, work.steps));
    plan.blur_in_load = plan.blur_in_load && takes_blur(work, plan, device.info());
    plan.rgb_in_epilogue = plan.rgb_in_epilogue && takes_rgb(work, plan);
    return plan;
  }
  if (const ConvPlans* measured = device.conv_plans().get(); measured != nullptr) {
    if (const ConvPlan* plan = measured->find(precision, work); plan != nullptr) return *plan;
  }
  return estimate_plan(work, device.info());
}

}  // namespace gpen
