// Measuring the plans of a network's convolutions, each in its place in the network: with its own input, weights and
// epilogue. Set as ConvPlans::trial of a device, the tuner runs every plan of each new layer before the layer runs.
#pragma once
#include "kernels/conv_plans.h"

namespace gpen {

// Milliseconds of work(), which is what the row says (its ms is not set). Injected, so that a test decides who wins.
using PlanTimer = std::function<Result<double>(const ConvPlanRow& what, const std::function<void()>& work)>;

struct TunedLayer {
  ConvPlanRow chosen, best;  // by table or estimate; measured. The same when nothing is faster by more than the noise
  int calls = 1;             // in the network
  int wrong = 0;             // plans with another answer than the chosen one's: not taken
};

class ConvTuner {
 public:
  // The median of `reps` timings counts.
  ConvTuner(std::shared_ptr<Device> device, PlanTimer timer, int reps)
      : device_(std::move(device)), timer_(std::move(timer)), reps_(reps) {}
  // Leaves the device's memory as it was. Nothing is tried any more after an error.
  void trial(const ConvLaunch& launch);
  const Status& status() const { return status_; }
  const std::vector<TunedLayer>& layers() const { return layers_; }

 private:
  Status measure(const ConvLaunch& launch, TunedLayer* layer);
  Status restore(const ConvLaunch& launch, const std::vector<DeviceBuffer>& before);
  Result<std::vector<std::vector<uint8_t>>> answer(const ConvLaunch& launch);
  std::shared_ptr<Device> device_;
  PlanTimer timer_;
  int reps_;
  Status status_;
  std::vector<TunedLayer> layers_;
};

}  // namespace gpen
