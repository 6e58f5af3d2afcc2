// gpen info: what a file of weights holds, and what is wrong with it if anything.
#include <cstdio>
#include <set>

#include "app/command.h"
#include "app/json_output.h"
#include "pipeline/models.h"
#include "weights/architecture.h"

namespace gpen::app {
namespace {

struct ModelInfo {
  std::string file, family, architecture;
  size_t bytes = 0;
  int64_t values = 0;
  std::map<std::string, int> dtypes;
  std::vector<std::string> problems;  // the model cannot be used
  std::vector<std::string> extra;     // tensors that the architecture does not know
};

bool is_float(DType t) { return t == DType::f64 || t == DType::f32 || t == DType::f16 || t == DType::bf16; }

ModelInfo inspect(const WeightStore& store) {
  ModelInfo info;
  info.file = store.source;
  for (const auto& [name, tensor] : store.tensors) {
    info.bytes += tensor.bytes;
    info.values += tensor.count();
    ++info.dtypes[dtype_name(tensor.dtype)];
  }
  const Result<Architecture> arch = detect_architecture(store);
  if (!arch.ok()) {
    info.problems.push_back(arch.status().message());
  } else {
    info.family = family_name(*arch);
    info.architecture = describe(*arch);
    std::set<std::string> known;
    for (const auto& [name, shape] : tensor_list(*arch)) known.insert(name);
    for (const auto& [name, tensor] : store.tensors) {
      if (known.count(name) == 0) info.extra.push_back(name);
    }
  }
  for (const auto& [name, tensor] : store.tensors) {
    if (!is_float(tensor.dtype)) continue;
    const Result<std::vector<float>> values = store.floats(name);
    if (!values.ok()) info.problems.push_back(values.status().message());
    store.release_pages(name);
  }
  return info;
}

Json to_json(const ModelInfo& info, const WeightStore& store) {
  Json tensors = Json::array();
  for (const auto& [name, tensor] : store.tensors)
    tensors.push_back({{"name", name}, {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}});
  return {{"file", info.file},
          {"family", info.family},
          {"architecture", info.architecture},
          {"tensors", store.tensors.size()},
          {"values", info.values},
          {"bytes", info.bytes},
          {"dtypes", info.dtypes},
          {"metadata", store.metadata},
          {"problems", info.problems},
          {"extra_tensors", info.extra},
          {"tensor_list", tensors}};
}

void print(const ModelInfo& info, const WeightStore& store) {
  std::string dtypes;
  for (const auto& [dtype, count] : info.dtypes) dtypes += (dtypes.empty() ? "" : ", ") + concat(count, " ", dtype);
  std::printf("file          %s\n", info.file.c_str());
  std::printf("architecture  %s\n", info.architecture.empty() ? "not recognised" : info.architecture.c_str());
  std::printf("tensors       %zu (%s)\n", store.tensors.size(), dtypes.c_str());
  std::printf("values        %lld\n", static_cast<long long>(info.values));
  std::printf("bytes         %zu\n", info.bytes);
  for (const auto& [key, value] : store.metadata) std::printf("metadata      %s = %s\n", key.c_str(), value.c_str());
  for (const std::string& name : info.extra) std::printf("not used      %s\n", name.c_str());
  for (const std::string& problem : info.problems) std::printf("problem       %s\n", problem.c_str());
  if (info.problems.empty()) std::printf("problems      none\n");
}

Status show_info(const std::string& model, bool json) {
  GPEN_ASSIGN(const WeightStore store, open_model(model));
  const ModelInfo info = inspect(store);
  if (json) {
    GPEN_RETURN_IF_ERROR(write_json(to_json(info, store), "-"));
  } else {
    print(info, store);
  }
  if (info.problems.empty()) return {};
  return fail(Code::model, model, ": ", info.problems.front(),
              info.problems.size() > 1 ? concat(" (and ", info.problems.size() - 1, " more)") : "");
}

}  // namespace

void add_info(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("info", "Architecture, tensors and bytes of a model, and what is wrong with it");
  struct Options {
    std::string model;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  sub->add_option("model", options->model, "A name from the catalogue, a .safetensors or a .pth")->required();
  sub->add_flag("--json", options->json, "Print JSON, with the list of all tensors");
  on_chosen(sub, action, [options] { return show_info(options->model, options->json); });
}

}  // namespace gpen::app
