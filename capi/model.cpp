#include "capi/model.h"

#include <algorithm>
#include <optional>

#include "capi/entry.h"
#include "kernels/isa.h"
#include "pipeline/compute.h"
#include "weights/safetensors.h"

using namespace gpen;
using namespace gpen::capi;

namespace gpen::capi {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kDetectorsCrop = 512;  // of a model without a GPEN

const char* text_or(const char* text, const char* otherwise) {
  return text != nullptr && *text != 0 ? text : otherwise;
}

Status check(const gpen_model_params& p) {
  if (static_cast<unsigned>(p.task) > GPEN_TASK_SEG2FACE)
    return fail(Code::usage, "params->task is ", static_cast<int>(p.task), ", which is none");
  if (p.face_size != 0 && p.face_size != 256 && p.face_size != 512 && p.face_size != 1024 && p.face_size != 2048)
    return fail(Code::usage, "params->face_size is ", p.face_size, ", expected 256, 512, 1024 or 2048");
  if (p.threads < 0 || p.threads > kMostThreads)
    return fail(Code::usage, "params->threads is ", p.threads, ", expected 0 to ", kMostThreads);
  return {};
}

// The weights that are given in memory, and the name that stands for them.
Result<std::optional<WeightStore>> given(const gpen_weights& weights, const char* role, std::string* name) {
  *name = text_or(weights.name, "");
  if (weights.data == nullptr) {
    if (weights.bytes > 0) return fail(Code::usage, "params->", role, ".data is NULL, but not its bytes");
    return std::optional<WeightStore>();
  }
  if (name->empty()) *name = concat(role, " (in memory)");
  GPEN_ASSIGN(WeightStore store, read_safetensors({static_cast<const std::byte*>(weights.data), weights.bytes}, *name));
  return std::optional<WeightStore>(std::move(store));
}

const WeightStore* pointer(const std::optional<WeightStore>& store) { return store ? &*store : nullptr; }

Result<LoadedModels> load_detector_only(const ModelChoice& choice, const Processor& where) {
  LoadedModels loaded;
  loaded.detector = choice.detector.empty() ? installed_detector() : choice.detector;
  if (loaded.detector.empty()) return no_detector();
  if (loaded.detector == "none") return fail(Code::usage, "the model has neither a GPEN nor a detector");
  if (choice.given.detector != nullptr) {
    GPEN_ASSIGN(RetinaFaceNet net, RetinaFaceNet::load(*choice.given.detector, for_detector(where)));
    loaded.networks.detector = std::make_shared<RetinaFaceNet>(std::move(net));
  } else {
    GPEN_ASSIGN(loaded.networks.detector, load_network<RetinaFaceNet>(loaded.detector, for_detector(where)));
  }
  return loaded;
}

Result<LoadedModels> load(const gpen_model_params& p, const Processor& where) {
  ModelChoice choice;
  GPEN_ASSIGN(const std::optional<WeightStore> gpen, given(p.gpen, "gpen", &choice.gpen));
  GPEN_ASSIGN(const std::optional<WeightStore> detector, given(p.detector, "detector", &choice.detector));
  GPEN_ASSIGN(const std::optional<WeightStore> parser, given(p.parser, "parser", &choice.parser));
  GPEN_ASSIGN(const std::optional<WeightStore> upscaler, given(p.upscaler, "upscaler", &choice.upscaler));
  choice.given = {pointer(gpen), pointer(detector), pointer(parser), pointer(upscaler)};
  if (choice.upscaler.empty()) choice.upscaler = "none";
  choice.size = p.face_size;
  choice.task = static_cast<Task>(p.task);
  if (choice.gpen == "none" && choice.given.gpen == nullptr) return load_detector_only(choice, where);
  if (choice.task != Task::restore) {  // takes aligned pictures unless a detector is named
    if (choice.detector.empty()) choice.detector = "none";
    if (choice.parser.empty()) choice.parser = "none";
  }
  if (choice.detector.empty() && installed_detector().empty())
    return fail(Code::model, no_detector().message(), "; or open the model with the detector \"none\"");
  return load_models(choice, where);
}

void log_loaded(const gpen_model& model) {
  const LoadedModels& m = model.loaded;
  const auto named = [](const std::string& name) { return name.empty() ? std::string("none") : name; };
  model.log(GPEN_LOG_INFO, concat("gpen ", named(m.gpen), ", detector ", named(m.detector), ", parser ",
                                  named(m.parser), ", upscaler ", named(m.upscaler))
                               .c_str());
  model.log(GPEN_LOG_INFO,
            concat("computing on ", model.device, model.where.device == nullptr ? " (" : "",
                   model.where.device == nullptr ? isa_name() : "", model.where.device == nullptr ? ")" : "", " in ",
                   model.precision, ", ", model.where.pool->size(), " threads")
                .c_str());
  for (const std::string& note : m.notes) model.log(GPEN_LOG_WARN, note.c_str());
}

}  // namespace

void Log::operator()(gpen_log_level level, const char* text) const noexcept {
  if (callback == nullptr) return;
  char line[2048];
  while (*text != 0) {
    const size_t length = std::strcspn(text, "\n");
    const size_t shown = std::min(length, sizeof(line) - 1);
    std::memcpy(line, text, shown);
    line[shown] = 0;
    try {
      callback(level, line, user_data);
    } catch (...) {  // a C++ callback's own affair; the call that is logged goes on
    }
    text += length + (text[length] == '\n' ? 1 : 0);
  }
}

Status check_process(const gpen_model& model) {
  if (model.process == getpid()) return {};
  return fail(Code::usage, "the model belongs to another process, before a fork(): open one in this process");
}

gpen_status logged(const Log& log, gpen_status status) {
  if (status != GPEN_OK && status != GPEN_ERROR_CANCELLED) log(GPEN_LOG_ERROR, gpen_last_error());
  return status;
}

}  // namespace gpen::capi

gpen_model::gpen_model(Processor processor, LoadedModels networks, Task trained_for, Log log_to)
    : where(std::move(processor)),
      loaded(std::move(networks)),
      restorer(loaded.networks, where.pool),
      task(trained_for),
      device(where.device != nullptr ? where.device->info().name : "cpu"),
      precision(name_of(where.precision)),
      log(log_to) {}

void gpen_model_params_init(gpen_model_params* params, size_t size) {
  if (params != nullptr) write_params(gpen_model_params(), params, size);
}

gpen_status gpen_model_open(const gpen_model_params* params, gpen_model** model) {
  if (model != nullptr) *model = nullptr;
  Log log;
  const gpen_status status = entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(model, "model"));
    gpen_model_params p = gpen_model_default_params();
    GPEN_RETURN_IF_ERROR(read_params(params, sizeof(gpen_model_params), "params", &p));
    log = {p.log, p.log_user_data};
    GPEN_RETURN_IF_ERROR(check(p));
    GPEN_RETURN_IF_ERROR(check_isa());
    const ComputeChoice compute = {text_or(p.device, "auto"), text_or(p.precision, "fp32"), p.threads};
    GPEN_ASSIGN(const std::vector<int> devices, cuda_devices_of(compute));
    if (devices.size() > 1)
      return fail(Code::usage, "device ", compute.device, ": a model computes on one device; open one for each");
    std::vector<std::string> notes;
    GPEN_ASSIGN(const std::vector<Processor> places, open_processors(compute, 1, &notes));
    GPEN_ASSIGN(LoadedModels loaded, load(p, places.front()));
    loaded.notes.insert(loaded.notes.begin(), notes.begin(), notes.end());
    if (loaded.size == 0) loaded.size = kDetectorsCrop;
    auto opened = std::make_unique<gpen_model>(places.front(), std::move(loaded), static_cast<Task>(p.task), log);
    log_loaded(*opened);
    *model = opened.release();
    return {};
  });
  return logged(log, status);
}

void gpen_model_free(gpen_model* model) {
  // After a fork() the threads that would be waited for, and the device, are the parent's: the memory stays as it is.
  if (model != nullptr && check_process(*model).ok()) delete model;
}

gpen_status gpen_model_get_info(const gpen_model* model, gpen_model_info* info) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(model, "model"));
    GPEN_RETURN_IF_ERROR(need(info, "info"));
    if (info->size < sizeof(gpen_model_info))
      return fail(Code::usage, "info->size is ", info->size, ", expected sizeof(gpen_model_info)");
    gpen_model_info values = {};
    values.gpen = model->loaded.gpen.c_str();
    values.detector = model->loaded.detector.c_str();
    values.parser = model->loaded.parser.c_str();
    values.upscaler = model->loaded.upscaler.c_str();
    values.device = model->device.c_str();
    values.precision = model->precision.c_str();
    values.threads = model->where.pool->size();
    values.face_size = model->loaded.networks.gpen != nullptr ? model->loaded.size : 0;
    const auto& upscaler = model->loaded.networks.upscaler;
    values.upscale = upscaler != nullptr ? upscaler->arch().scale : 1;
    write_params(values, info, info->size);
    return {};
  });
}
