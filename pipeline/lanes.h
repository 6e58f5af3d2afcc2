// Many photos on one processor: faces and photos side by side, a few threads each, instead of all threads on one face.
#pragma once
#include <memory>
#include <vector>

#include "pipeline/restore.h"

namespace gpen {

// Restorers with the same weights that may run at the same time, each with a part of pool's threads: threads that wait
// for each other at every layer of a small face lose a tenth of their time. As many as there are threads, but no more
// than `most`, than kMostLanes, and than have room for a face's activations in memory_limit; one (with pool itself) for
// a network on a device, and with an upscaler, whose activations are far larger than a face's. At least one.
std::vector<Restorer> make_lanes(const Models& models, const std::shared_ptr<ThreadPool>& pool, size_t most,
                                 size_t memory_limit);

// Each lane holds photos of its own.
inline constexpr size_t kMostLanes = 16;

}  // namespace gpen
