#include "pipeline/lanes.h"

#include <algorithm>

#include "pipeline/face_batch.h"
#include "runtime/limits.h"

namespace gpen {

namespace {

template <class Net>
bool on_device(const std::shared_ptr<Net>& net) {
  return net != nullptr && net->device() != nullptr;
}

size_t count_lanes(const Models& models, size_t threads, size_t photos, const RestoreOptions& options) {
  if (models.gpen == nullptr || models.upscaler != nullptr) return 1;
  if (on_device(models.gpen) || on_device(models.detector) || on_device(models.parser)) return 1;
  const size_t wanted = std::min({threads, photos, kMostLanes});
  if (wanted < 2) return 1;
  const size_t faces = bytes_of_forward(*models.gpen, std::max(1, options.batch));
  size_t all = faces;
  if (models.parser != nullptr) all += models.parser->arena_bytes_for(1);
  if (models.detector != nullptr) {
    const int side = options.detection.shrink_above;
    if (side <= 0) return 1;
    all += models.detector->arena_bytes_for(1, side, side);
  }
  return std::clamp<size_t>(std::min(options.memory_limit / faces, lane_memory() / all), 1, wanted);
}

template <class Net>
std::shared_ptr<Net> share(const std::shared_ptr<Net>& net, const std::shared_ptr<ThreadPool>& pool) {
  return net != nullptr ? std::make_shared<Net>(net->share(pool)) : nullptr;
}

}  // namespace

size_t lane_memory() { return std::min(size_t{4} << 30, available_memory() / 2); }

std::vector<Restorer> make_lanes(const Models& models, const std::shared_ptr<ThreadPool>& pool, size_t photos,
                                 const RestoreOptions& options) {
  const auto threads = static_cast<size_t>(pool->size());
  const size_t count = count_lanes(models, threads, photos, options);
  std::vector<Restorer> lanes;
  if (count == 1) {
    lanes.emplace_back(models, pool);
    return lanes;
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t own = threads / count + (i < threads % count ? 1 : 0);
    const auto part = std::make_shared<ThreadPool>(static_cast<int>(own));
    lanes.emplace_back(Models{share(models.gpen, part), share(models.detector, part), share(models.parser, part), {}},
                       part);
  }
  return lanes;
}

}  // namespace gpen
