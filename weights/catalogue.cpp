#include "weights/catalogue.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace gpen {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOfficial = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models/";
constexpr const char* kModelScope =
    "https://www.modelscope.cn/models/iic/cv_gpen_image-portrait-enhancement-hires/resolve/master/";
constexpr const char* kFacexlib = "https://github.com/xinntao/facexlib/releases/download/";

ReleasedModel official(const char* name, const char* file, int64_t bytes, const char* sha256, const char* task) {
  return {name, name, file, bytes, sha256, {concat(kOfficial, file)}, task};
}

std::vector<ReleasedModel> make_catalogue() {
  std::vector<ReleasedModel> models = {
      official("gpen-bfr-256", "GPEN-BFR-256.pth", 75573183,
               "56ba6ed9d19e1e1c2ec36bc63e1ef9d54ed1bc544b4f8f0769222660d255ddc5", "restore"),
      official("gpen-bfr-512", "GPEN-BFR-512.pth", 284085738,
               "f1002c41add95b0decad69604d80455576f7187dd99ca16bd611bcfd44c10b51", "restore"),
      {"gpen-bfr-1024",
       "gpen-bfr-1024",
       "pytorch_model.pt",
       0,
       "",
       {concat(kModelScope, "pytorch_model.pt")},
       "restore"},
      {"gpen-bfr-2048",
       "gpen-bfr-2048",
       "pytorch_model-2048.pt",
       0,
       "",
       {concat(kModelScope, "pytorch_model-2048.pt")},
       "restore"},
      official("gpen-colorization-1024", "GPEN-Colorization-1024.pth", 0, "", "colorize"),
      official("gpen-inpainting-1024", "GPEN-Inpainting-1024.pth", 0, "", "inpaint"),
      official("gpen-seg2face-512", "GPEN-Seg2face-512.pth", 0, "", "seg2face"),
      official("retinaface-r50", "RetinaFace-R50.pth", 109497761,
               "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d", "detect"),
      // Trained in several public forks, released by none of the sources above.
      {"retinaface-mobilenet0.25", "retinaface-mobilenet0.25", "RetinaFace-MobileNet0.25.pth", 0, "", {}, "detect"},
      official("parsenet", "ParseNet-latest.pth", 85331193,
               "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2", "parse"),
      official("realesrnet-x1", "realesrnet_x1.pth", 0, "", "upscale"),
      official("realesrnet-x2", "realesrnet_x2.pth", 77228423,
               "a8bc646e373d3aa593842d071f2bd876d3db2cc969f8d3efa6cf961cc421c2d1", "upscale"),
      official("realesrnet-x4", "realesrnet_x4.pth", 0, "", "upscale"),
  };
  // Byte-identical copies under other names.
  for (ReleasedModel& model : models) {
    if (model.name == "retinaface-r50")
      model.addresses.push_back(concat(kFacexlib, "v0.1.0/detection_Resnet50_Final.pth"));
    if (model.name == "parsenet") model.addresses.push_back(concat(kFacexlib, "v0.2.2/parsing_parsenet.pth"));
  }
  return models;
}

std::string normalised(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return name;
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::vector<fs::path> folders_of_environment() {
  std::vector<fs::path> folders;
  const char* list = std::getenv("GPEN_MODELS");
  const std::string text = list != nullptr ? list : "";
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size());
    if (end > begin) folders.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return folders;
}

fs::path data_folder() {
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && *xdg == '/') return fs::path(xdg) / "gpen";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return fs::path(home) / ".local/share/gpen";
  }
  return {};
}

// <prefix>/share/gpen/weights beside <prefix>/bin/gpen.
fs::path installed_with_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error || !program.has_parent_path()) return {};
  return program.parent_path().parent_path() / "share/gpen/weights";
}

fs::path find_installed(const ReleasedModel& model) {
  for (const fs::path& folder : model_folders()) {
    for (const std::string& file : {model.name + ".safetensors", model.file}) {
      if (is_file(folder / file)) return folder / file;
    }
  }
  return {};
}

std::string joined(const std::vector<fs::path>& folders) {
  std::string text;
  for (const fs::path& folder : folders) {
    if (!text.empty()) text += ", ";
    text += folder.string();
  }
  return text;
}

}  // namespace

const std::vector<ReleasedModel>& catalogue() {
  static const std::vector<ReleasedModel> models = make_catalogue();
  return models;
}

const ReleasedModel* find_released(const std::string& name) {
  const std::string wanted = normalised(name);
  for (const ReleasedModel& model : catalogue()) {
    // Also by the released file's stem: "GPEN-BFR-512", "ParseNet-latest", "realesrnet_x2".
    const bool by_file = model.file.rfind("pytorch_model", 0) != 0 && wanted == normalised(fs::path(model.file).stem());
    if (wanted == model.name || by_file) return &model;
  }
  return nullptr;
}

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders = folders_of_environment();
  folders.emplace_back("weights");
  for (const fs::path& folder : {data_folder(), installed_with_program()}) {
    if (!folder.empty()) folders.push_back(folder);
  }
  return folders;
}

fs::path install_folder() {
  const std::vector<fs::path> chosen = folders_of_environment();
  if (!chosen.empty()) return chosen.front();
  const fs::path data = data_folder();
  return data.empty() ? fs::path("weights") : data;
}

fs::path installed_model(const std::string& name) {
  const ReleasedModel* model = find_released(name);
  return model == nullptr ? fs::path() : find_installed(*model);
}

Result<fs::path> resolve_model(const std::string& name_or_path) {
  if (is_file(name_or_path)) return fs::path(name_or_path);
  const ReleasedModel* model = find_released(name_or_path);
  if (model == nullptr) {
    std::error_code ignored;
    if (fs::exists(name_or_path, ignored))
      return fail(Code::model, name_or_path, ": is a folder or device, not a file");
    std::string names;
    for (const ReleasedModel& m : catalogue()) {
      if (!names.empty()) names += ", ";
      names += m.name;
    }
    return fail(Code::model, name_or_path, ": no such file, and no model of this name is known (", names, ")");
  }
  const fs::path found = find_installed(*model);
  if (!found.empty()) return found;
  return fail(Code::model, model->name, " is not installed; looked in ", joined(model_folders()),
              model->addresses.empty() ? concat("; it has no public address: give the checkpoint's path instead")
                                       : concat("; get it with: gpen fetch ", model->name));
}

}  // namespace gpen
