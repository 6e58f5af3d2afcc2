// gpen synth: weights without a checkpoint, by formula or written down by hand.
#include "weights/synth.h"

#include <cstdio>

#include "app/command.h"
#include "weights/safetensors.h"

namespace gpen::app {
namespace {

struct SynthOptions {
  std::string architecture, output, seed, kind = "formula";
};

SynthKind kind_of(const std::string& name) {
  if (name == "identity") return SynthKind::identity;
  if (name == "negative") return SynthKind::negative;
  if (name == "sharpen") return SynthKind::sharpen;
  return SynthKind::formula;
}

Status synth(const SynthOptions& options) {
  const SynthKind kind = kind_of(options.kind);
  if (kind != SynthKind::formula && !options.seed.empty())
    return fail(Code::usage, "--seed is for the formula; --kind ", options.kind, " has no values to vary");
  GPEN_ASSIGN(Architecture arch, parse_architecture(options.architecture));
  // A released name stands for its size: an analytic network of it needs few channels. gpen:... is taken at its word.
  if (kind != SynthKind::formula && options.architecture.rfind("gpen:", 0) != 0) arch = analytic_architecture(arch);
  GPEN_ASSIGN(const WeightStore store, synthesize(arch, kind, options.seed));
  GPEN_RETURN_IF_ERROR(save_safetensors(options.output, store));
  std::printf("%s: %s weights of %s\n", options.output.c_str(), options.kind.c_str(), describe(arch).c_str());
  return {};
}

}  // namespace

void add_synth(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("synth", "Write weights that need no download: by formula, or analytic");
  auto options = std::make_shared<SynthOptions>();
  sub->add_option("architecture", options->architecture,
                  "gpen-bfr-256 ... gpen-bfr-2048, retinaface-r50, retinaface-mobilenet0.25, parsenet,\n"
                  "realesrnet-x1, -x2, -x4, or gpen:size=128,cm=2,narrow=0.25,style=96,mlp=5")
      ->required();
  sub->add_option("-o,--output", options->output, "The safetensors file to write")->required();
  sub->add_option("--seed", options->seed, "Text that goes into every value of the formula");
  sub->add_option("--kind", options->kind, "formula; or a GPEN that computes identity, negative or sharpen")
      ->check(CLI::IsMember({"formula", "identity", "negative", "sharpen"}));
  on_chosen(sub, action, [options] { return synth(*options); });
}

}  // namespace gpen::app
