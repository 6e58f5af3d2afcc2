// safetensors in and out (https://huggingface.co/docs/safetensors). Files are hostile until checked: header length,
// JSON, dtype, shape product (overflow), offsets inside the file and not overlapping, byte count = count * size.
#pragma once
#include <filesystem>
#include <span>

#include "weights/weight_store.h"

namespace gpen {

// Maps the file read-only. Code::io when it cannot be read, Code::model when it is not a sound safetensors file.
Result<WeightStore> open_safetensors(const std::filesystem::path& path);
// The same for a file in memory, which must live as long as the tensors are used; `name` stands in messages.
Result<WeightStore> read_safetensors(std::span<const std::byte> file, const std::string& name);
// Writes to a temporary file beside `path`, syncs and renames; nothing is left behind on failure (a full disk
// included). dtype: convert float tensors to f32, f16 or bf16 (round to nearest even); integer tensors are kept.
Status save_safetensors(const std::filesystem::path& path, const WeightStore& store);
Result<WeightStore> convert_dtype(const WeightStore& store, DType dtype);

}  // namespace gpen
