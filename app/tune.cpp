// gpen tune: measures the plans of a network's convolutions on a CUDA device and keeps the best ones in a file.
#include <chrono>
#include <cstdio>

#include "app/bench_network.h"
#include "app/bench_weights.h"
#include "app/command.h"
#include "app/compute_options.h"
#include "pipeline/models.h"
#include "pipeline/plan_files.h"
#include "pipeline/tune.h"
#include "runtime/device_timer.h"

namespace gpen::app {
namespace {

struct TuneCommand {
  std::string model, output;
  int size = 512, reps = 7;
  bool source = false;
  ComputeOptions compute;
};

void print_layers(FILE* to, const std::vector<TunedLayer>& layers) {
  std::fprintf(to, "%-58s %5s  %-20s %9s  %-20s %9s %6s\n", "layer (output pixels > channels)", "calls", "chosen", "ms",
               "best", "ms", "gain");
  double chosen_ms = 0, best_ms = 0;
  int wrong = 0;
  for (const TunedLayer& l : layers) {
    std::fprintf(to, "%-58s %5d  %-20s %9.4f  %-20s %9.4f %5.0f%%%s\n", describe(l.chosen.work).c_str(), l.calls,
                 describe(l.chosen.plan).c_str(), l.chosen.ms, describe(l.best.plan).c_str(), l.best.ms,
                 100 * (1 - l.best.ms / l.chosen.ms), l.wrong > 0 ? concat("  ", l.wrong, " WRONG").c_str() : "");
    chosen_ms += l.calls * l.chosen.ms;
    best_ms += l.calls * l.best.ms;
    wrong += l.wrong;
  }
  std::fprintf(to, "%zu layers, all their calls: %.4f ms as chosen, %.4f ms at best\n", layers.size(), chosen_ms,
               best_ms);
  if (wrong > 0) std::fprintf(to, "%d plans gave another answer than the chosen one's and were left out\n", wrong);
}

// Milliseconds of a forward() on the device; as the host sees it where the network's work is not recorded.
Result<double> network_ms(const TunedNetwork& network, ReplayTimer& replays) {
  const int before = replays.replays();
  const auto start = std::chrono::steady_clock::now();
  GPEN_RETURN_IF_ERROR(network.forward());
  if (replays.replays() > before) return replays.ms();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Status keep(const TuneCommand& options, const Tuning& tuning, const DeviceInfo& device, Precision precision) {
  if (options.source) {
    std::printf("R\"plans(\n%s)plans\",\n", to_text(tuning.best(), device).c_str());
    return {};
  }
  const std::filesystem::path file =
      options.output.empty() ? plans_file(device, precision) : std::filesystem::path(options.output);
  GPEN_RETURN_IF_ERROR(save_conv_plans(file, tuning.best(), device));
  std::printf("%s: %zu layers%s\n", file.c_str(), tuning.layers.size(),
              options.output.empty() ? "" : " (GPEN_PLANS names such a file)");
  return {};
}

Status tune(const TuneCommand& options) {
  if (options.compute.device == "cpu")
    return fail(Code::usage, "--device cpu: a CUDA device is expected, the processor has no such plans");
  GPEN_RETURN_IF_ERROR(options.compute.check());
  GPEN_ASSIGN(Processor where, options.compute.processor());
  const DeviceInfo info = where.device->info();
  if (options.output.empty() && !options.source && plans_file(info, where.precision).empty())
    return fail(Code::usage, "there is no folder for caches (XDG_CACHE_HOME, HOME); name a file with -o");
  const std::string model = options.model.empty() ? concat("gpen-bfr-", options.size) : options.model;
  const ScratchFolder scratch;
  GPEN_ASSIGN(const std::filesystem::path path, weights_file(model, scratch));
  GPEN_ASSIGN(const WeightStore store, open_model(path.string()));
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  GPEN_RETURN_IF_ERROR(options.compute.check_precision(arch, where));

  GPEN_ASSIGN(DeviceTimer timer, DeviceTimer::make(where.device, false));
  GPEN_ASSIGN(const std::shared_ptr<ReplayTimer> replays, ReplayTimer::make(where.device));
  // What a run does without a file is what the measured plans have to beat.
  replays->set_conv_plans(std::make_shared<ConvPlans>(conv_plans_for(info, builtin_conv_plans())));
  where.device = replays;
  const auto load = [&]() -> Result<TunedNetwork> {
    GPEN_ASSIGN(std::shared_ptr<BenchNetwork> network, BenchNetwork::load(store, where));
    GPEN_RETURN_IF_ERROR(network->prepare(1));
    return TunedNetwork{[network] { return network->forward(nullptr); },
                        [network]() -> const std::vector<float>& { return network->output(); }};
  };
  TuneOptions how;
  how.plan_ms = [&](const ConvPlanRow&, const std::function<void()>& work) { return timer.ms(work); };
  how.network_ms = [&](const TunedNetwork& network) { return network_ms(network, *replays); };
  how.reps = options.reps;
  GPEN_ASSIGN(const Tuning tuning, tune_network(replays, load, how));

  FILE* const text = options.source ? stderr : stdout;
  std::fprintf(text, "%s in %s on %s (%s, sm_%d)\n", model.c_str(), name_of(where.precision), info.name.c_str(),
               info.model.c_str(), info.capability);
  print_layers(text, tuning.layers);
  std::fprintf(text, "network: %.4f ms before, %.4f ms after, relative difference %.1e\n", tuning.before_ms,
               tuning.after_ms, tuning.difference);
  if (tuning.slower()) {
    std::fprintf(text, "the network did not get faster: nothing is kept\n");
    return {};
  }
  return keep(options, tuning, info, where.precision);
}

}  // namespace

void add_tune(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("tune", "Measure the best plans of a network's convolutions on a GPU, once");
  auto options = std::make_shared<TuneCommand>();
  options->compute.needs_device = true;
  CLI::Option* const model = sub->add_option("-m,--model", options->model,
                                             "A model, or an architecture as for `gpen synth` (its formula weights)");
  sub->add_option("--size", options->size, "The GPEN of this side (default 512)")
      ->check(CLI::IsMember({256, 512, 1024, 2048}))
      ->excludes(model);
  sub->add_option("-o,--output", options->output, "File of the plans (default: in ~/.cache/gpen, where it is found)");
  sub->add_option("--reps", options->reps, "Timed repetitions, of which the median counts; default 7")
      ->check(CLI::Range(1, 1000));
  sub->add_flag("--source", options->source,
                "Write no file; print the plans to stdout as kernels/conv_plans.inc has them");
  options->compute.add_to(sub);
  on_chosen(sub, action, [options] { return tune(*options); });
}

}  // namespace gpen::app
