// Which networks `gpen restore` runs with.
#include "app/models.h"
#include "app/restore_options.h"
#include "weights/catalogue.h"

namespace gpen::app {
namespace {

const char* const kReleasedSizes[] = {"gpen-bfr-1024", "gpen-bfr-512", "gpen-bfr-256"};

// The installed model of a task, or how to get it.
Result<std::string> model_for_task(const std::string& task) {
  for (const ReleasedModel& model : catalogue()) {
    if (model.task != task) continue;
    GPEN_RETURN_IF_ERROR(resolve_model(model.name).status());
    return model.name;
  }
  return fail(Code::model, "--task ", task, ": no released model does this; name one with -m");
}

// The GPEN that is meant, by name.
Result<std::string> choose_gpen(const RestoreArguments& a) {
  if (!a.model.empty()) return a.model;
  if (a.task != "restore") return model_for_task(a.task);
  if (a.size > 0) return concat("gpen-bfr-", a.size);
  for (const char* name : kReleasedSizes) {
    if (!installed_model(name).empty()) return std::string(name);
  }
  if (a.demo()) return std::string("sharpen");
  return fail(Code::model,
              "no GPEN is installed. Get the trained weights with: gpen fetch gpen-bfr-512 "
              "(or name a model with -m; -m sharpen runs without weights, but restores nothing)");
}

Result<std::string> choose_detector(const RestoreArguments& a) {
  if (a.restore.aligned || !a.faces.empty() || a.detection.detector == "none") return std::string();
  if (!a.detection.detector.empty()) return a.detection.detector;
  std::string name = installed_detector();
  if (name.empty() && !a.demo()) {
    return fail(no_detector().code(), no_detector().message(),
                "; or give the landmarks with --faces FILE, or use --aligned for aligned faces");
  }
  return name;
}

std::string choose_parser(const RestoreArguments& a, std::vector<std::string>* notes) {
  if (a.restore.aligned || a.parser == "none") return "";
  if (!a.parser.empty()) return a.parser;
  if (!installed_model("parsenet").empty()) return "parsenet";
  notes->push_back("note: no face parser is installed: faces are pasted with a soft square mask (gpen fetch parsenet)");
  return "";
}

std::string choose_upscaler(const RestoreArguments& a) {
  if (!a.sr.empty()) return a.sr == "none" ? "" : a.sr;
  return a.sr_scale > 0 ? concat("realesrnet-x", a.sr_scale) : "";
}

Result<std::shared_ptr<GpenNet>> load_gpen(const std::string& name, int side, const Processor& where) {
  if (!is_analytic(name)) return load_network<GpenNet>(name, where);
  GPEN_ASSIGN(const WeightStore store, analytic_model(name, side));
  GPEN_ASSIGN(GpenNet net, GpenNet::load(store, where));
  return std::make_shared<GpenNet>(std::move(net));
}

}  // namespace

Result<LoadedModels> load_models(const RestoreArguments& a, const Processor& where) {
  LoadedModels loaded;
  GPEN_ASSIGN(loaded.gpen, choose_gpen(a));
  GPEN_ASSIGN(loaded.detector, choose_detector(a));
  loaded.parser = choose_parser(a, &loaded.notes);
  loaded.upscaler = choose_upscaler(a);
  if (loaded.gpen == "sharpen") loaded.notes.insert(loaded.notes.begin(), kNotTrainedNotice);
  for (const std::string& name : {loaded.gpen, loaded.detector, loaded.parser, loaded.upscaler}) {
    if (!name.empty() && !is_analytic(name)) GPEN_RETURN_IF_ERROR(resolve_model(name).status());
  }

  Models& networks = loaded.networks;
  GPEN_ASSIGN(networks.gpen, load_gpen(loaded.gpen, a.size > 0 ? a.size : 512, where));
  loaded.size = networks.gpen->arch().out_size;
  if (a.size > 0 && loaded.size != a.size)
    return fail(Code::usage, "--size ", a.size, ": ", loaded.gpen, " restores faces of ", loaded.size);
  if (!loaded.detector.empty()) {
    GPEN_ASSIGN(networks.detector, load_network<RetinaFaceNet>(loaded.detector, for_detector(where)));
  }
  if (!loaded.parser.empty()) {
    GPEN_ASSIGN(networks.parser, load_network<ParseNet>(loaded.parser, for_parser_and_upscaler(where)));
  }
  if (!loaded.upscaler.empty()) {
    GPEN_ASSIGN(networks.upscaler, load_network<RrdbNet>(loaded.upscaler, for_parser_and_upscaler(where)));
    if (a.sr_scale > 0 && networks.upscaler->arch().scale != a.sr_scale)
      return fail(Code::usage, "--sr-scale ", a.sr_scale, ": ", loaded.upscaler, " enlarges ",
                  networks.upscaler->arch().scale, " times");
  }
  return loaded;
}

}  // namespace gpen::app
