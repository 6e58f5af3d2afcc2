#include "pipeline/tune.h"

#include <algorithm>
#include <cmath>

namespace gpen {
namespace {

// Relative L2 between two networks whose sums are in another order: twice what either may be off the right answer.
double difference_limit(Precision p) { return p == Precision::fp32 ? 4e-5 : p == Precision::bf16 ? 6e-2 : 1e-2; }

double relative_l2(const std::vector<float>& right, const std::vector<float>& other) {
  double difference = 0, whole = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    difference += std::pow(double{right[i]} - other[i], 2);
    whole += std::pow(double{right[i]}, 2);
  }
  return difference == 0 ? 0 : std::sqrt(difference / whole);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

using Plans = std::shared_ptr<const ConvPlans>;

// Sets a device's plans and, in the end, those that it had.
class PlansOf {
 public:
  explicit PlansOf(Device& device) : device_(device), before_(device.conv_plans()) {}
  ~PlansOf() { device_.set_conv_plans(before_); }
  PlansOf(const PlansOf&) = delete;
  PlansOf& operator=(const PlansOf&) = delete;
  void set(const Plans& plans) { device_.set_conv_plans(plans); }
  const Plans& before() const { return before_; }
  ConvPlans copy() const { return before_ != nullptr ? *before_ : ConvPlans(); }

 private:
  Device& device_;
  Plans before_;
};

}  // namespace

ConvPlans Tuning::best() const {
  ConvPlans plans;
  for (const TunedLayer& layer : layers) plans.set(layer.best);
  return plans;
}

Result<Tuning> tune_network(const std::shared_ptr<Device>& device, const std::function<Result<TunedNetwork>()>& load,
                            const TuneOptions& options) {
  Tuning tuning;
  PlansOf plans(*device);
  // The first forward() of a network is not recorded: the plans are tried in it. The second one is.
  ConvTuner tuner(device, options.plan_ms, options.reps);
  auto trying = std::make_shared<ConvPlans>(plans.copy());
  trying->trial = [&](const ConvLaunch& launch) { tuner.trial(launch); };
  plans.set(trying);
  GPEN_ASSIGN(const TunedNetwork old, load());
  GPEN_RETURN_IF_ERROR(old.forward());
  GPEN_RETURN_IF_ERROR(tuner.status());
  plans.set(plans.before());
  GPEN_RETURN_IF_ERROR(old.forward());
  tuning.layers = tuner.layers();
  if (tuning.layers.empty()) return fail(Code::usage, "the network has no convolutions whose plan could be chosen");

  auto after = std::make_shared<ConvPlans>(plans.copy());
  for (const TunedLayer& layer : tuning.layers) {
    after->set(layer.best);
    tuning.changed = tuning.changed || layer.best.plan != layer.chosen.plan;
  }
  plans.set(after);
  GPEN_ASSIGN(const TunedNetwork tuned, load());
  for (int i = 0; i < 2; ++i) GPEN_RETURN_IF_ERROR(tuned.forward());
  tuning.difference = relative_l2(old.output(), tuned.output());
  const double limit = difference_limit(tuning.layers.front().chosen.precision);
  if (!(tuning.difference <= limit))
    return fail(Code::internal, "with the measured plans the network's answer differs by ", tuning.difference,
                ", at most ", limit, " is expected");

  std::vector<double> before_ms, after_ms;
  for (int i = 0; i < options.reps; ++i) {  // in turns: a device's clock drifts
    plans.set(plans.before());
    GPEN_ASSIGN(const double one, options.network_ms(old));
    before_ms.push_back(one);
    plans.set(after);
    GPEN_ASSIGN(const double other, options.network_ms(tuned));
    after_ms.push_back(other);
  }
  tuning.before_ms = median(before_ms);
  tuning.after_ms = median(after_ms);
  return tuning;
}

}  // namespace gpen
