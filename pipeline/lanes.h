// Many photos on one processor: photos side by side, a few threads each, instead of all threads on one face.
#pragma once
#include <memory>
#include <vector>

#include "pipeline/restore.h"

namespace gpen {

// Restorers that share the weights and may run at the same time, each with a part of pool's threads, so that fewer
// threads wait for each other at every layer of a small face. As many as there are threads, but no more
// than `photos` and kMostLanes, than options.memory_limit has room for a forward() of the GPEN (of options.batch
// faces), and than lane_memory() has room for the activations of all networks, the detector's for the largest photo
// that is not shrunk for it. One, with pool and models themselves, where a network is on a device, where photos are not
// shrunk at all, and with an upscaler, whose activations are far larger than a face's.
std::vector<Restorer> make_lanes(const Models& models, const std::shared_ptr<ThreadPool>& pool, size_t photos,
                                 const RestoreOptions& options);

// Each lane also holds photos of its own, at least one, which take some five times their bytes.
inline constexpr size_t kMostLanes = 4;
// 4 GiB, or half of what the machine has free.
size_t lane_memory();

}  // namespace gpen
