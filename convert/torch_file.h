// Both containers of PyTorch checkpoints, brought to one form: the object's pickle and the bytes of every storage.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>

#include "convert/pickle.h"
#include "weights/file_mapping.h"

namespace gpen {

struct TorchFile {
  std::shared_ptr<const FileMapping> mapping;  // the document and the storages point into it
  PickleDocument document;
  std::map<std::string_view, Bytes> storages;  // by key; exactly count * dtype_size bytes each
};

bool is_zip(Bytes file);            // begins like a zip file
bool is_legacy_pickle(Bytes file);  // begins like the container before PyTorch 1.6

// Code::io or Code::model; messages begin with the file's name.
Result<TorchFile> open_torch_file(const std::filesystem::path& path);

}  // namespace gpen
