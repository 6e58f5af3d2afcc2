// One download through the system's curl or wget: this project speaks no TLS of its own.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "runtime/status.h"

namespace gpen {

// Whether the address may be used: https, or http to this machine itself.
bool is_allowed_address(const std::string& address);

// Downloads `address` to `path`, continuing what is already there. Redirections are followed to https only. At most
// `limit` bytes are accepted (0: no limit). `watch` is called several times a second with the bytes so far; returning
// false ends the download. Code::io "ADDRESS: reason", Code::cancelled; what has arrived stays.
Status download(const std::string& address, const std::filesystem::path& path, int64_t limit,
                const std::function<bool(int64_t)>& watch);

}  // namespace gpen
