#include "app/serve/models.h"

#include <algorithm>
#include <filesystem>

#include "convert/checkpoint.h"
#include "runtime/gpu/cuda_device.h"
#include "weights/catalogue.h"

namespace gpen::serve {
namespace {

constexpr int kSizes[] = {256, 512, 1024, 2048};
constexpr int kLargestByDefault = 1024;

template <class Arch>
Result<Arch> arch_of(const std::string& model, const char* what) {
  GPEN_ASSIGN(const WeightStore store, open_model(model));
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  if (const Arch* right = std::get_if<Arch>(&arch)) return *right;
  return fail(Code::model, model, ": is no ", what, " but ", describe(arch));
}

Status find_gpens(const ServeOptions& o, Menu* menu) {
  if (is_analytic(o.model)) {
    for (const int size : kSizes) menu->gpens[size] = o.model;
  } else if (!o.model.empty()) {
    GPEN_ASSIGN(const GpenArch arch, arch_of<GpenArch>(o.model, "GPEN"));
    menu->gpens[arch.out_size] = o.model;
  } else {
    for (const int size : kSizes) {
      const std::string name = concat("gpen-bfr-", size);
      if (!installed_model(name).empty()) menu->gpens[size] = name;
    }
    if (menu->gpens.empty() && o.size == 0) {
      for (const int size : kSizes) menu->gpens[size] = "sharpen";
      menu->not_trained =
          "No trained weights are installed: faces are sharpened by the analytic network `sharpen`, which restores "
          "nothing. For the trained network: gpen fetch gpen-bfr-512";
      menu->notes.push_back(menu->not_trained);
    }
  }
  if (o.size > 0) {
    if (menu->gpens.count(o.size) == 0 && o.model.empty())
      return resolve_model(concat("gpen-bfr-", o.size)).status();  // says how to get it
    if (menu->gpens.count(o.size) == 0)
      return fail(Code::usage, "--size ", o.size, ": ", o.model, " restores faces of ", menu->gpens.begin()->first);
    menu->default_size = o.size;
  } else if (is_analytic(menu->gpens.begin()->second)) {
    menu->default_size = 512;
  } else {
    menu->default_size = menu->gpens.begin()->first;
    for (const auto& [size, name] : menu->gpens) {
      if (size <= kLargestByDefault) menu->default_size = size;
    }
  }
  return {};
}

Status find_others(const ServeOptions& o, Menu* menu) {
  if (o.detector != "none") menu->detector = o.detector.empty() ? installed_detector() : o.detector;
  if (!menu->detector.empty())
    GPEN_RETURN_IF_ERROR(arch_of<RetinaFaceArch>(menu->detector, "face detector").status());
  else if (o.detector.empty())
    menu->notes.push_back(
        "No face detector is installed: requests must bring their faces. Get one with: gpen fetch retinaface-r50");
  if (o.parser != "none")
    menu->parser = !o.parser.empty() ? o.parser : installed_model("parsenet").empty() ? "" : "parsenet";
  if (!menu->parser.empty())
    GPEN_RETURN_IF_ERROR(arch_of<ParseNetArch>(menu->parser, "face parser").status());
  else if (o.parser.empty())
    menu->notes.push_back(
        "No face parser is installed: faces are pasted with a soft square mask (gpen fetch parsenet)");
  if (!o.sr.empty() && o.sr != "none") {
    GPEN_ASSIGN(const RrdbNetArch arch, arch_of<RrdbNetArch>(o.sr, "background upscaler"));
    if (o.sr_scale > 0 && arch.scale != o.sr_scale)
      return fail(Code::usage, "--sr-scale ", o.sr_scale, ": ", o.sr, " enlarges ", arch.scale, " times");
    menu->upscalers[arch.scale] = o.sr;
    menu->default_upscale = arch.scale;
    return {};
  }
  for (const int scale : {1, 2, 4}) {
    const std::string name = concat("realesrnet-x", scale);
    if (o.sr != "none" && !installed_model(name).empty()) menu->upscalers[scale] = name;
  }
  if (o.sr_scale > 0) GPEN_RETURN_IF_ERROR(resolve_model(concat("realesrnet-x", o.sr_scale)).status());
  menu->default_upscale = o.sr_scale;
  return {};
}

Status find_devices(const ServeOptions& o, Menu* menu) {
  std::vector<DeviceInfo> listed;
  if (o.compute.device != "cpu") {
    Result<std::vector<DeviceInfo>> found = list_cuda_devices();
    if (!found.ok() && o.compute.device != "auto") return found.status();
    if (found.ok()) listed = *std::move(found);
  }
  const auto open = [](int index) { return open_cuda_device(index).status(); };
  GPEN_ASSIGN(menu->devices, menu_devices(o.compute.device, listed, open, &menu->notes));
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16, Precision::fp16_fast}) {
    if (o.compute.precision == name_of(p)) menu->default_precision = p;
  }
  return {};
}

size_t file_bytes(const std::string& model) {
  std::error_code ignored;
  const Result<std::filesystem::path> path = resolve_model(model);
  return path.ok() ? static_cast<size_t>(std::filesystem::file_size(*path, ignored)) : 0;
}

size_t weight_bytes(const GpenNet& net, const std::string&) { return net.weight_bytes(); }
template <class Net>
size_t weight_bytes(const Net&, const std::string& model) {
  return file_bytes(model);
}

}  // namespace

const MenuDevice* Menu::find_device(const std::string& name) const {
  for (const MenuDevice& device : devices) {
    if (name.empty() ? device.is_default : device.name == name) return &device;
  }
  return nullptr;
}

Result<std::vector<MenuDevice>> menu_devices(const std::string& option, const std::vector<DeviceInfo>& listed,
                                             const std::function<Status(int index)>& open,
                                             std::vector<std::string>* notes) {
  std::vector<MenuDevice> devices;
  ComputeChoice choice;
  choice.device = option;
  GPEN_ASSIGN(const std::vector<int> named, cuda_devices_of(choice));
  for (const int index : named) {
    const size_t i = static_cast<size_t>(index);
    if (i >= listed.size() || precisions_of(listed[i]).empty())
      return fail(Code::device, "--device ", option, ": cuda:", index, " cannot be used here; see `gpen devices`");
    devices.push_back({listed[i].name, true, precisions_of(listed[i])});
  }
  if (!named.empty()) return devices;
  for (size_t i = 0; option == "auto" && i < listed.size(); ++i) {
    if (precisions_of(listed[i]).empty()) continue;
    const bool first = devices.empty();
    const Status opened = first ? Status() : open(static_cast<int>(i));
    if (opened.ok())
      devices.push_back({listed[i].name, first, precisions_of(listed[i])});
    else
      notes->push_back(concat(listed[i].name, " cannot be used: ", opened.message()));
  }
  devices.push_back({"cpu", devices.empty(), {Precision::fp32, Precision::bf16}});
  return devices;
}

Result<Menu> find_menu(const ServeOptions& options) {
  Menu menu;
  GPEN_RETURN_IF_ERROR(find_gpens(options, &menu));
  GPEN_RETURN_IF_ERROR(find_others(options, &menu));
  GPEN_RETURN_IF_ERROR(find_devices(options, &menu));
  return menu;
}

// The last part of a path: where models lie is nobody's business.
std::string public_name(const std::string& model) { return std::filesystem::path(model).filename().string(); }

Json to_json(const Menu& menu) {
  const auto name_or_null = [](const std::string& model) { return model.empty() ? Json() : Json(public_name(model)); };
  Json gpens = Json::array(), sizes = Json::array(), upscale = Json::array(), devices = Json::array();
  for (const auto& [size, name] : menu.gpens) {
    gpens.push_back({{"name", public_name(name)}, {"size", size}, {"trained", !is_analytic(name)}});
    sizes.push_back(size);
  }
  for (const auto& [scale, name] : menu.upscalers) upscale.push_back(scale);
  for (const MenuDevice& device : menu.devices) {
    Json precisions = Json::array();
    for (const Precision p : device.precisions) precisions.push_back(name_of(p));
    devices.push_back({{"name", device.name}, {"default", device.is_default}, {"precisions", precisions}});
  }
  return {{"gpen", gpens},
          {"default",
           {{"gpen", public_name(menu.gpens.at(menu.default_size))},
            {"size", menu.default_size},
            {"detector", name_or_null(menu.detector)},
            {"parser", name_or_null(menu.parser)},
            {"upscale", menu.default_upscale},
            {"device", menu.devices.front().name},
            {"precision", name_of(menu.default_precision)}}},
          {"sizes", sizes},
          {"upscale", upscale},
          {"devices", devices},
          {"notes", menu.notes}};
}

size_t ModelCache::bytes() const {
  size_t sum = 0;
  for (const auto& [key, entry] : entries_) sum += entry.bytes;
  return sum;
}

void ModelCache::shrink(size_t limit) {
  while (bytes() > limit) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.used != now_ && (oldest == entries_.end() || it->second.used < oldest->second.used)) oldest = it;
    }
    if (oldest == entries_.end()) return;
    entries_.erase(oldest);
  }
}

template <class Net>
Status ModelCache::load(const std::string& kind, const std::string& model, int side, const Processor& where,
                        std::shared_ptr<Net>* network) {
  const std::string key = concat(kind, " ", model, " ", side, " ", name_of(where.precision));
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    found->second.used = now_;
    *network = std::static_pointer_cast<Net>(found->second.network);
    return {};
  }
  const auto read = [&]() -> Result<std::shared_ptr<Net>> {
    if (!is_analytic(model)) return load_network<Net>(model, where);
    GPEN_ASSIGN(const WeightStore store, analytic_model(model, side));
    GPEN_ASSIGN(Net net, Net::load(store, where));
    return std::make_shared<Net>(std::move(net));
  };
  Result<std::shared_ptr<Net>> loaded = read();
  if (!loaded.ok() && loaded.status().code() == Code::memory && entries_.size() > 0) {
    shrink(0);
    loaded = read();
  }
  if (!loaded.ok()) return loaded.status();
  *network = *loaded;
  entries_[key] = {*loaded, weight_bytes(**loaded, model), now_};
  shrink(limit_);
  return {};
}

Result<Models> ModelCache::get(const Wanted& wanted, const Processor& where) {
  ++now_;
  Models models;
  if (wanted.size > 0) {
    const auto gpen = menu_.gpens.find(wanted.size);
    if (gpen == menu_.gpens.end()) return fail(Code::model, "no GPEN of size ", wanted.size, " is installed");
    GPEN_RETURN_IF_ERROR(load("gpen", gpen->second, wanted.size, where, &models.gpen));
  }
  if (wanted.detector) {
    if (menu_.detector.empty()) return no_detector();
    GPEN_RETURN_IF_ERROR(load("detector", menu_.detector, 0, for_detector(where), &models.detector));
  }
  if (wanted.parser && !menu_.parser.empty())
    GPEN_RETURN_IF_ERROR(load("parser", menu_.parser, 0, for_parser_and_upscaler(where), &models.parser));
  if (wanted.upscale > 0) {
    const auto upscaler = menu_.upscalers.find(wanted.upscale);
    if (upscaler == menu_.upscalers.end())
      return fail(Code::model, "no upscaler of factor ", wanted.upscale, " is installed");
    GPEN_RETURN_IF_ERROR(load("upscaler", upscaler->second, 0, for_parser_and_upscaler(where), &models.upscaler));
  }
  return models;
}

}  // namespace gpen::serve
