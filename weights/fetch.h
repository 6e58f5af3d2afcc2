// Downloads released checkpoints with the curl or wget found on PATH (no shell in between) and verifies them. Nothing
// is printed: the caller shows licence_notice() first and gets progress and notices through callbacks.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "runtime/status.h"
#include "weights/catalogue.h"

namespace gpen {

// To be shown before anything is downloaded.
std::string licence_notice();

struct FetchOptions {
  std::filesystem::path folder;  // where the file goes; created when missing; empty: install_folder()
  // Replaces the catalogue's addresses by this one plus "/" plus the file's name; empty: $GPEN_FETCH_MIRROR, if set. An
  // https address, or http on 127.0.0.1 or localhost (Code::usage otherwise). Sizes and sums are checked all the same.
  std::string mirror;
};

struct FetchCallbacks {
  std::function<void(int64_t done, int64_t total)> progress;  // bytes of the file; total 0: not known
  std::function<void(const std::string&)> notice;             // "gpen-bfr-512: trying https://..."
  std::function<bool()> cancelled;                            // asked several times a second
};

struct FetchedFile {
  std::filesystem::path path;
  std::string sha256;
  bool verified = false;  // the sum is publicly stated, and equal; otherwise it was only recorded
};

// Downloads model.file into the folder: as FILE.part, which a later call continues, renamed once size and SHA-256 are
// right. A file that is already there and right is not downloaded again. Addresses are tried in order; only https is
// ever followed. Code::io when none can be had (offline, neither program installed, no address known: said in the
// message); Code::model when what came is not the released file (it is removed); Code::cancelled.
Result<FetchedFile> fetch_model(const ReleasedModel& model, const FetchOptions& options,
                                const FetchCallbacks& callbacks = {});

}  // namespace gpen
