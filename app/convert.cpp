// gpen convert: a checkpoint (.pth, .pt or .safetensors) to safetensors.
#include "convert/checkpoint.h"

#include <cstdio>

#include "app/command.h"
#include "weights/architecture.h"
#include "weights/safetensors.h"

namespace gpen::app {
namespace {

struct ConvertOptions {
  std::string checkpoint, output, dtype = "f32", key;
};

Status convert(const ConvertOptions& options) {
  const DType dtype = options.dtype == "f16" ? DType::f16 : options.dtype == "bf16" ? DType::bf16 : DType::f32;
  std::error_code ignored;
  if (std::filesystem::equivalent(options.checkpoint, options.output, ignored))
    return fail(Code::io, options.output, ": would overwrite the checkpoint it is made from");
  GPEN_ASSIGN(const WeightStore store, convert_checkpoint(options.checkpoint, options.key, dtype));
  GPEN_RETURN_IF_ERROR(save_safetensors(options.output, store));
  const Result<Architecture> arch = detect_architecture(store);
  if (!arch.ok()) std::fprintf(stderr, "gpen: note: %s\n", arch.status().message().c_str());
  std::printf("%s: %zu tensors, %s\n", options.output.c_str(), store.tensors.size(),
              arch.ok() ? describe(*arch).c_str() : "no architecture of this program");
  return {};
}

}  // namespace

void add_convert(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("convert", "Convert a PyTorch checkpoint (.pth) to safetensors");
  auto options = std::make_shared<ConvertOptions>();
  sub->add_option("checkpoint", options->checkpoint, "The checkpoint to read")->required();
  sub->add_option("-o,--output", options->output, "The safetensors file to write")->required();
  sub->add_option("--dtype", options->dtype, "Store the weights as f32, f16 or bf16")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  sub->add_option("--key", options->key, "Take the weights stored under this key of the checkpoint");
  on_chosen(sub, action, [options] { return convert(*options); });
}

}  // namespace gpen::app
