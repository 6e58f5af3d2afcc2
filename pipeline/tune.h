// Measuring the plans of all convolutions of a network, and whether the network gets faster by them.
#pragma once
#include <functional>
#include <vector>

#include "kernels/conv_tune.h"

namespace gpen {

// A network on the device, and its fixed input.
struct TunedNetwork {
  std::function<Status()> forward;  // of one image
  std::function<const std::vector<float>&()> output;
};

struct TuneOptions {
  PlanTimer plan_ms;
  // Milliseconds of a forward() of a network that has run twice.
  std::function<Result<double>(const TunedNetwork& network)> network_ms;
  int reps = 7;  // of which the median counts, of plans and of networks
};

struct Tuning {
  std::vector<TunedLayer> layers;  // in the order of the network
  bool changed = false;            // whether any best plan is another than the chosen one
  double before_ms = 0, after_ms = 0;
  double difference = 0;  // relative, of the networks' outputs
  bool slower() const { return changed && after_ms > before_ms; }
  ConvPlans best() const;
};
// Loads the network twice (load() must put it on this device), once with the plans that the device has and once with
// the best ones, and times both in turns. The device has the plans that it had afterwards. Code::internal when the
// outputs differ by more than the precision explains.
Result<Tuning> tune_network(const std::shared_ptr<Device>& device, const std::function<Result<TunedNetwork>()>& load,
                            const TuneOptions& options);

}  // namespace gpen
