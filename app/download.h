// Files from the network, through the system's curl or wget: this program speaks no TLS of its own.
#pragma once
#include <filesystem>
#include <string>

#include "runtime/status.h"

namespace gpen::app {

// Downloads `address` to `path`, going on behind what is already there (an interrupted download). Progress and the
// tool's own messages go to stderr. An address that is an existing local folder or file is copied instead.
// Code::io "ADDRESS: reason"; what has arrived stays, for the next attempt.
Status download(const std::string& address, const std::filesystem::path& path);

}  // namespace gpen::app
