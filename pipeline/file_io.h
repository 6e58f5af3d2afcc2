// Whole files in and out. A file is written beside its destination and renamed when it is complete and on the disk.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "runtime/status.h"

namespace gpen {

// Code::io "FILE: reason" when it is missing, a folder, unreadable or larger than max_bytes.
Result<std::vector<uint8_t>> read_file(const std::filesystem::path& path, size_t max_bytes);

// No more than its first `bytes`; fewer when it has no more. Code::io as of read_file().
Result<std::vector<uint8_t>> read_beginning(const std::filesystem::path& path, size_t bytes);

// Temporary file in the same folder, fsync, rename: the destination is either the old file or the complete new one,
// also on a full disk. A destination that is a symbolic link keeps being one (its target is replaced); a device or pipe
// is written directly. Code::io "FILE: reason".
Status write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes);

}  // namespace gpen
