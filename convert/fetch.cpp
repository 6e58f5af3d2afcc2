#include "convert/fetch.h"

#include "convert/checkpoint.h"
#include "weights/architecture.h"
#include "weights/safetensors.h"

namespace gpen {

Result<std::filesystem::path> fetch_and_convert(const ReleasedModel& model, const FetchOptions& options,
                                                const FetchCallbacks& callbacks) {
  GPEN_ASSIGN(const Architecture expected, parse_architecture(model.architecture));
  GPEN_ASSIGN(const FetchedFile file, fetch_model(model, options, callbacks));
  GPEN_ASSIGN(WeightStore store, convert_checkpoint(file.path, "", DType::f32));
  GPEN_ASSIGN(const Architecture found, detect_architecture(store));
  if (tensor_list(found) != tensor_list(expected)) {
    return fail(Code::model, file.path.string(), ": holds ", describe(found), "; ", model.name, " is ",
                describe(expected));
  }
  store.metadata["gpen.model"] = model.name;
  store.metadata["gpen.task"] = model.task;
  const std::filesystem::path installed = file.path.parent_path() / (model.name + ".safetensors");
  GPEN_RETURN_IF_ERROR(save_safetensors(installed, store));
  std::error_code ignored;  // a checkpoint that cannot be removed costs disk space only
  std::filesystem::remove(file.path, ignored);
  return installed;
}

}  // namespace gpen
