// PyTorch checkpoints (.pth, .pt) read directly: a restricted pickle machine over both containers (zip, and the five
// pickles of PyTorch before 1.6). Nothing in the file is ever executed: any global but OrderedDict,
// torch._utils._rebuild_tensor_v2 / _rebuild_parameter and the known storage types is refused by name.
#pragma once
#include <filesystem>

#include "weights/weight_store.h"

namespace gpen {

// key: take the state dict under this key; empty: params_ema, g_ema, params, state_dict (first that holds tensors),
// else the top level. "module." prefixes are removed. Strided and shared storages come out contiguous.
Result<WeightStore> read_checkpoint(const std::filesystem::path& path, const std::string& key = "");
// A .safetensors or a .pth/.pt, told apart by content, not by name.
Result<WeightStore> open_weights(const std::filesystem::path& path);
// The weights of a .pth or .safetensors (key: only with a .pth) in another float type, with the metadata of a converted
// file: gpen.source, gpen.source_sha256 and, when the architecture is known, gpen.arch and sizes (docs/format.md).
Result<WeightStore> convert_checkpoint(const std::filesystem::path& path, const std::string& key, DType dtype);

}  // namespace gpen
