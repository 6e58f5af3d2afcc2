// gpen infer: one network, tensors in and tensors out; for comparisons with other implementations.
#include <cstdio>

#include "app/command.h"
#include "app/compute_options.h"
#include "kernels/isa.h"
#include "layers/gpen.h"
#include "layers/parsenet.h"
#include "layers/retinaface.h"
#include "layers/rrdbnet.h"
#include "pipeline/models.h"
#include "weights/safetensors.h"

namespace gpen::app {
namespace {

struct InferOptions {
  std::string model, input, output;
  uint64_t seed = 0;
  ComputeOptions compute;
};

// A planar tensor and its values; added to the result under its name.
struct Output {
  std::vector<float> values;
  TensorView view;
  Output(int64_t n, int64_t c, int64_t h, int64_t w) : values(static_cast<size_t>(n * c * h * w)) {
    view = make_view(values.data(), n, c, h, w);
  }
  void add_to(WeightStore* result, const char* name) {
    result->add(name, {view.n, view.c, view.h, view.w}, std::move(values));
  }
};

Status infer_gpen(const WeightStore& weights, const TensorView& input, uint64_t seed, const Processor& where,
                  WeightStore* result) {
  GPEN_ASSIGN(GpenNet net, GpenNet::load(weights, where));
  const GpenArch arch = net.arch();
  if (input.h != arch.in_size || input.w != arch.in_size)
    return fail(Code::usage, "input is ", input.shape_string(), ", this GPEN takes ", arch.in_size, "x", arch.in_size);
  Output output(input.n, 3, arch.out_size, arch.out_size);
  std::vector<float> encoder, latent;
  GpenNet::Extra extra;
  extra.encoder_4x4 = &encoder;
  extra.latent = &latent;
  GPEN_RETURN_IF_ERROR(net.forward(input, output.view, seed, &extra));
  output.add_to(result, "output");
  result->add("encoder_4x4", {input.n, static_cast<int64_t>(encoder.size()) / (input.n * 16), 4, 4}, encoder);
  result->add("latent", {input.n, arch.style_dim}, latent);
  return {};
}

Status infer_retinaface(const WeightStore& weights, const TensorView& input, const Processor& where,
                        WeightStore* result) {
  GPEN_ASSIGN(RetinaFaceNet net, RetinaFaceNet::load(weights, where));
  RetinaFaceNet::Output out;
  GPEN_RETURN_IF_ERROR(net.forward(input, &out));
  result->add("loc", {input.n, out.anchors, 4}, std::move(out.loc));
  result->add("conf", {input.n, out.anchors, 2}, std::move(out.conf));
  result->add("landms", {input.n, out.anchors, 10}, std::move(out.landms));
  return {};
}

Status infer_parsenet(const WeightStore& weights, const TensorView& input, const Processor& where,
                      WeightStore* result) {
  GPEN_ASSIGN(ParseNet net, ParseNet::load(weights, where));
  Output mask(input.n, net.arch().classes, input.h, input.w), image(input.n, 3, input.h, input.w);
  GPEN_RETURN_IF_ERROR(net.forward(input, mask.view, image.view));
  mask.add_to(result, "mask_logits");
  image.add_to(result, "image");
  return {};
}

Status infer_rrdbnet(const WeightStore& weights, const TensorView& input, const Processor& where, WeightStore* result) {
  GPEN_ASSIGN(RrdbNet net, RrdbNet::load(weights, where));
  const int scale = net.arch().scale;
  Output output(input.n, 3, input.h * scale, input.w * scale);
  for (int64_t i = 0; i < input.n; ++i) {
    const TensorView in = make_view(input.image(i), 1, 3, input.h, input.w);
    const TensorView out = make_view(output.view.image(i), 1, 3, output.view.h, output.view.w);
    GPEN_RETURN_IF_ERROR(net.upscale(in, out, 0));
  }
  output.add_to(result, "output");
  return {};
}

Status infer(const InferOptions& options) {
  GPEN_RETURN_IF_ERROR(options.compute.check());
  GPEN_RETURN_IF_ERROR(check_isa());
  GPEN_ASSIGN(const WeightStore in, open_safetensors(options.input));
  GPEN_ASSIGN(const WeightTensor* tensor, in.require("input", {-1, 3, -1, -1}));
  GPEN_ASSIGN(std::vector<float> values, in.floats("input"));
  const std::vector<int64_t>& s = tensor->shape;
  if (values.empty()) return fail(Code::usage, options.input, ": tensor input is empty: ", tensor->shape_string());
  const TensorView input = make_view(values.data(), s[0], s[1], s[2], s[3]);

  GPEN_ASSIGN(const WeightStore weights, open_model(options.model));
  GPEN_ASSIGN(const Architecture arch, detect_architecture(weights));
  GPEN_ASSIGN(const Processor where, options.compute.processor());
  GPEN_RETURN_IF_ERROR(options.compute.check_precision(arch, where));
  WeightStore result;
  result.metadata["gpen.arch"] = describe(arch);
  if (std::holds_alternative<GpenArch>(arch)) {
    GPEN_RETURN_IF_ERROR(infer_gpen(weights, input, options.seed, where, &result));
  } else if (std::holds_alternative<RetinaFaceArch>(arch)) {
    GPEN_RETURN_IF_ERROR(infer_retinaface(weights, input, where, &result));
  } else if (std::holds_alternative<ParseNetArch>(arch)) {
    GPEN_RETURN_IF_ERROR(infer_parsenet(weights, input, where, &result));
  } else {
    GPEN_RETURN_IF_ERROR(infer_rrdbnet(weights, input, where, &result));
  }
  GPEN_RETURN_IF_ERROR(save_safetensors(options.output, result));
  for (const auto& [name, output] : result.tensors) std::printf("%s %s\n", name.c_str(), output.shape_string().c_str());
  return {};
}

}  // namespace

void add_infer(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("infer", "Run one network on tensors in a safetensors file");
  auto options = std::make_shared<InferOptions>();
  sub->add_option("-m,--model", options->model, "A name from the catalogue, a .safetensors or a .pth")->required();
  sub->add_option("-i,--input", options->input, "A safetensors file whose tensor `input` is NCHW")->required();
  sub->add_option("-o,--output", options->output, "The safetensors file to write the network's outputs to")->required();
  sub->add_option("--seed", options->seed, "Seed of the noise of a GPEN that enlarges");
  options->compute.add_to(sub);
  on_chosen(sub, action, [options] { return infer(*options); });
}

}  // namespace gpen::app
