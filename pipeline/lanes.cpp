#include "pipeline/lanes.h"

#include <algorithm>

#include "pipeline/face_batch.h"

namespace gpen {

namespace {

size_t count_lanes(const Models& models, size_t threads, size_t most, size_t memory_limit) {
  if (models.gpen == nullptr || models.gpen->device() != nullptr || models.upscaler != nullptr) return 1;
  const size_t wanted = std::min({threads, most, kMostLanes});
  return wanted < 2 ? 1 : std::clamp<size_t>(memory_limit / bytes_of_forward(*models.gpen, 1), 1, wanted);
}

template <class Net>
std::shared_ptr<Net> share(const std::shared_ptr<Net>& net, const std::shared_ptr<ThreadPool>& pool) {
  return net != nullptr ? std::make_shared<Net>(net->share(pool)) : nullptr;
}

}  // namespace

std::vector<Restorer> make_lanes(const Models& models, const std::shared_ptr<ThreadPool>& pool, size_t most,
                                 size_t memory_limit) {
  const auto threads = static_cast<size_t>(pool->size());
  const size_t count = count_lanes(models, threads, most, memory_limit);
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
