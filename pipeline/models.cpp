#include "pipeline/models.h"

#include "convert/checkpoint.h"
#include "weights/catalogue.h"

namespace gpen {

namespace {

// Shown when the analytic `sharpen` stands in for the trained network.
const char* const kNotTrainedNotice =
    "note: no trained weights are installed. This run uses the analytic network `sharpen`: the whole real pipeline,\n"
    "      but not the trained prior; it sharpens a face and restores nothing. For the trained network:\n"
    "          gpen fetch gpen-bfr-512";

const char* const kReleasedSizes[] = {"gpen-bfr-1024", "gpen-bfr-512", "gpen-bfr-256"};

// The installed model of a task, or how to get it.
Result<std::string> model_for_task(const std::string& task) {
  for (const ReleasedModel& model : catalogue()) {
    if (model.task != task) continue;
    GPEN_RETURN_IF_ERROR(resolve_model(model.name).status());
    return model.name;
  }
  return fail(Code::model, "task ", task, ": no released model does this; name one");
}

// The GPEN that is meant, by name.
Result<std::string> choose_gpen(const ModelChoice& c) {
  if (!c.gpen.empty()) return c.gpen;
  if (c.task != Task::restore) return model_for_task(traits(c.task).name);
  if (c.size > 0) return concat("gpen-bfr-", c.size);
  for (const char* name : kReleasedSizes) {
    if (!installed_model(name).empty()) return std::string(name);
  }
  if (c.untrained_fallback) return std::string("sharpen");
  return fail(Code::model,
              "no GPEN is installed. Get the trained weights with: gpen fetch gpen-bfr-512 "
              "(or name a model with -m; -m sharpen runs without weights, but restores nothing)");
}

Result<std::string> choose_detector(const ModelChoice& c) {
  if (c.aligned || c.faces_given || c.detector == "none") return std::string();
  if (!c.detector.empty()) return c.detector;
  std::string name = installed_detector();
  if (name.empty() && !c.untrained_fallback) {
    return fail(no_detector().code(), no_detector().message(),
                "; or give the landmarks with --faces FILE, or use --aligned for aligned faces");
  }
  return name;
}

std::string choose_parser(const ModelChoice& c, std::vector<std::string>* notes) {
  if (c.aligned || c.parser == "none") return "";
  if (!c.parser.empty()) return c.parser;
  if (!installed_model("parsenet").empty()) return "parsenet";
  notes->push_back("note: no face parser is installed: faces are pasted with a soft square mask (gpen fetch parsenet)");
  return "";
}

std::string choose_upscaler(const ModelChoice& c) {
  if (!c.upscaler.empty()) return c.upscaler == "none" ? "" : c.upscaler;
  return c.upscale > 0 ? concat("realesrnet-x", c.upscale) : "";
}

template <class Net>
Result<std::shared_ptr<Net>> load(const std::string& name, const WeightStore* given, const Processor& where) {
  if (given == nullptr) return load_network<Net>(name, where);
  GPEN_ASSIGN(Net net, Net::load(*given, where));
  return std::make_shared<Net>(std::move(net));
}

Result<std::shared_ptr<GpenNet>> load_gpen(const std::string& name, const WeightStore* given, int side,
                                           const Processor& where) {
  if (given != nullptr || !is_analytic(name)) return load<GpenNet>(name, given, where);
  GPEN_ASSIGN(const WeightStore store, analytic_model(name, side));
  GPEN_ASSIGN(GpenNet net, GpenNet::load(store, where));
  return std::make_shared<GpenNet>(std::move(net));
}

}  // namespace

bool is_analytic(const std::string& model) { return model == "identity" || model == "negative" || model == "sharpen"; }

Result<WeightStore> analytic_model(const std::string& model, int side) {
  const SynthKind kind = model == "identity"   ? SynthKind::identity
                         : model == "negative" ? SynthKind::negative
                                               : SynthKind::sharpen;
  GPEN_ASSIGN(const Architecture released, parse_architecture(concat("gpen-bfr-", side)));
  GPEN_ASSIGN(WeightStore store, synthesize(analytic_architecture(released), kind));
  store.source = model;
  return store;
}

Result<WeightStore> open_model(const std::string& model) {
  GPEN_ASSIGN(const std::filesystem::path path, resolve_model(model));
  return open_weights(path);
}

std::string installed_detector() {
  for (const char* name : {"retinaface-r50", "retinaface-mobilenet0.25"}) {
    if (!installed_model(name).empty()) return name;
  }
  return "";
}

Status no_detector() {
  return fail(Code::model, "no face detector is installed; get one with: gpen fetch retinaface-r50");
}

Result<LoadedModels> load_models(const ModelChoice& c, const Processor& where) {
  LoadedModels loaded;
  GPEN_ASSIGN(loaded.gpen, choose_gpen(c));
  GPEN_ASSIGN(loaded.detector, choose_detector(c));
  loaded.parser = choose_parser(c, &loaded.notes);
  loaded.upscaler = choose_upscaler(c);
  if (loaded.gpen == "sharpen" && c.given.gpen == nullptr) loaded.notes.insert(loaded.notes.begin(), kNotTrainedNotice);
  const auto find = [](const std::string& name, const WeightStore* given) {
    return name.empty() || given != nullptr || is_analytic(name) ? Status() : resolve_model(name).status();
  };
  GPEN_RETURN_IF_ERROR(find(loaded.gpen, c.given.gpen));
  GPEN_RETURN_IF_ERROR(find(loaded.detector, c.given.detector));
  GPEN_RETURN_IF_ERROR(find(loaded.parser, c.given.parser));
  GPEN_RETURN_IF_ERROR(find(loaded.upscaler, c.given.upscaler));

  Models& networks = loaded.networks;
  GPEN_ASSIGN(networks.gpen, load_gpen(loaded.gpen, c.given.gpen, c.size > 0 ? c.size : 512, where));
  loaded.size = networks.gpen->arch().out_size;
  if (c.size > 0 && loaded.size != c.size)
    return fail(Code::usage, "size ", c.size, ": ", loaded.gpen, " restores faces of ", loaded.size);
  if (!loaded.detector.empty()) {
    GPEN_ASSIGN(networks.detector, load<RetinaFaceNet>(loaded.detector, c.given.detector, for_detector(where)));
  }
  if (!loaded.parser.empty()) {
    GPEN_ASSIGN(networks.parser, load<ParseNet>(loaded.parser, c.given.parser, for_parser_and_upscaler(where)));
  }
  if (!loaded.upscaler.empty()) {
    GPEN_ASSIGN(networks.upscaler, load<RrdbNet>(loaded.upscaler, c.given.upscaler, for_parser_and_upscaler(where)));
    if (c.upscale > 0 && networks.upscaler->arch().scale != c.upscale)
      return fail(Code::usage, "sr-scale ", c.upscale, ": ", loaded.upscaler, " enlarges ",
                  networks.upscaler->arch().scale, " times");
  }
  return loaded;
}

Processor for_detector(const Processor& where) { return {where.pool, Precision::fp32, where.device}; }

Processor for_parser_and_upscaler(const Processor& where) {
  return where.device != nullptr ? where : Processor(where.pool);
}

}  // namespace gpen
