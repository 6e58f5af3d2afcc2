// From the catalogue to an installed model: download, verify, convert.
#pragma once
#include <filesystem>

#include "weights/fetch.h"

namespace gpen {

// fetch_model(), then NAME.safetensors (fp32) in the same folder, with gpen.model, gpen.task and the source's SHA-256
// in its metadata; the downloaded checkpoint is removed once the converted file is in place. Returns the installed
// path. Code::model, with both names, when the checkpoint holds another architecture than the catalogue says; it is
// kept then.
Result<std::filesystem::path> fetch_and_convert(const ReleasedModel& model, const FetchOptions& options,
                                                const FetchCallbacks& callbacks = {});

}  // namespace gpen
