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
  if (plan.blur_in_load && !takes_blur(work, plan, device))
    return fail(Code::usage, "the blur of this layer cannot be in its loading");
  if (plan.rgb_in_epilogue && !takes_rgb(work, plan))
    return fail(Code::usage, "to_rgb cannot be in the epilogue of this layer");
  if (plan.splits > 1 && tiles_of(work, shape) > kMostSplitTiles)
    return fail(Code::usage, "a layer of ", tiles_of(work, shape), " tiles cannot be split, at most ", kMostSplitTiles);
  return {};
}

std::vector<ConvPlan> candidate_plans(const ConvWork& work, const DeviceInfo& device) {
  std::vector<ConvPlan> plans;
  for (const ConvTile tile : kConvTiles)
    for (int splits = 1; splits <= kMostSplits; splits *= 2)
      for (const ConvPlan& plan :
           {ConvPlan{tile, splits}, ConvPlan{tile, splits, true, false}, ConvPlan{tile, splits, false, true}})
        if (check_plan(plan, work, device).ok()) plans.push_back(plan);
  return plans;
}

// Blocks run in waves over the multiprocessors; a step costs its products, a tile its prologue and epilogue, a split
// tile the writing and adding of its parts. Smaller tiles read shared memory more often for the same products. The
// constants are estimates: what a device really takes is measured by `gpen tune`.
// A fusion saves a pass over memory (counted, docs/kernels.md): to_rgb's takes a sixteenth of the convolution's time or
// more; the blur's a half, of which blurring in the kernel takes less than half back. A plan that allows the fusion may
// be that much slower than the best. Blurring while loading is repeated for every tile of columns: only where there are
// few.
ConvPlan estimate_plan(const ConvWork& work, const DeviceInfo& device) {
  constexpr double kEfficiency[] = {1.0, 0.85, 0.65};  // of the tiles
  constexpr int kStepsOfAnEdge = 6, kStepsOfAPart = 1, kFewestSteps = 4;
  constexpr double kSavedByRgb = 1.0 / 16, kSavedByBlur = 1.0 / 4;
  constexpr int64_t kMostBlurredColumns = 128;
  ConvPlan best, best_fused;
  double shortest = std::numeric_limits<double>::max(), shortest_fused = shortest;
  for (const ConvPlan& plan : candidate_plans(work, device)) {
    if (plan.splits > 1 && work.steps / plan.splits < kFewestSteps) continue;
    if (plan.blur_in_load && work.out_channels > kMostBlurredColumns) continue;
    const ConvTileShape shape = shape_of(plan.tile);
    const int64_t waves = ceil_div(tiles_of(work, shape) * plan.splits, device.multiprocessors);
    const double steps = static_cast<double>(ceil_div(work.steps, plan.splits)) + kStepsOfAnEdge +
                         (plan.splits > 1 ? kStepsOfAPart * (plan.splits + 2) : 0);
    const double step = shape.rows * shape.columns / kEfficiency[static_cast<int>(plan.tile)];
    const double time = static_cast<double>(waves) * steps * step;
    const bool fused = plan.blur_in_load || plan.rgb_in_epilogue;
    if (time < (fused ? shortest_fused : shortest)) {
      (fused ? shortest_fused : shortest) = time;
      (fused ? best_fused : best) = plan;
    }
  }
  const double saved = best_fused.blur_in_load ? kSavedByBlur : kSavedByRgb;
  return shortest_fused <= shortest * (1 + saved) ? best_fused : best;
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
