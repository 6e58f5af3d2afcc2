#include "weights/fetch.h"

#include <cstdlib>

#include "weights/download.h"
#include "weights/sha256.h"

namespace gpen {
namespace {

namespace fs = std::filesystem;

Result<std::vector<std::string>> addresses_of(const ReleasedModel& model, const FetchOptions& options) {
  std::string mirror = options.mirror;
  if (const char* set = std::getenv("GPEN_FETCH_MIRROR"); mirror.empty() && set != nullptr) mirror = set;
  if (!mirror.empty()) {
    if (!is_allowed_address(mirror)) {
      return fail(Code::usage, "the mirror ", mirror, " is neither an https address nor http on this machine");
    }
    return std::vector<std::string>{concat(mirror, mirror.back() == '/' ? "" : "/", model.file)};
  }
  if (model.addresses.empty()) {
    return fail(Code::io, model.name, " has no public address; put the checkpoint as ", model.file,
                " into a model folder, or give its path");
  }
  return model.addresses;
}

// Whether the file is the released one, as far as that is stated. Code::model when it is not.
Result<FetchedFile> verify(const ReleasedModel& model, const fs::path& path) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  if (error) return fail(Code::io, path.string(), ": ", error.message());
  if (model.bytes > 0 && bytes != static_cast<uintmax_t>(model.bytes)) {
    return fail(Code::model, path.string(), ": has ", bytes, " bytes, the released file has ", model.bytes);
  }
  GPEN_ASSIGN(const std::string digest, sha256_of_file(path));
  if (!model.sha256.empty() && digest != model.sha256) {
    return fail(Code::model, path.string(), ": has the SHA-256 sum ", digest, ", the released file has ", model.sha256);
  }
  return FetchedFile{path, digest, !model.sha256.empty()};
}

// One address: download, verify, put in place. A wrong file is removed.
Result<FetchedFile> fetch_from(const std::string& address, const ReleasedModel& model, const fs::path& target,
                               const FetchCallbacks& callbacks) {
  fs::path part = target;
  part += ".part";
  std::error_code error;
  const uintmax_t there = fs::exists(part, error) ? fs::file_size(part, error) : 0;
  const bool complete = model.bytes > 0 && there == static_cast<uintmax_t>(model.bytes);
  if (model.bytes > 0 && there > static_cast<uintmax_t>(model.bytes)) fs::remove(part, error);
  if (!complete) {
    const auto watch = [&](int64_t bytes) {
      if (callbacks.progress) callbacks.progress(bytes, model.bytes);
      return !callbacks.cancelled || !callbacks.cancelled();
    };
    GPEN_RETURN_IF_ERROR(download(address, part, model.bytes, watch));
  }
  Result<FetchedFile> file = verify(model, part);
  if (!file.ok()) {
    fs::remove(part, error);
    return fail(file.status().code(), address, ": ", file.status().message(), " (removed)");
  }
  fs::rename(part, target, error);
  if (error) return fail(Code::io, target.string(), ": ", error.message());
  file->path = target;
  return file;
}

}  // namespace

std::string licence_notice() {
  return "The released GPEN weights, and the detector, parser and upscaler released with them, were published by "
         "their\n"
         "authors for academic and non-commercial use. This project ships none of them and does not change their\n"
         "terms: by downloading them you accept those terms.";
}

Result<FetchedFile> fetch_model(const ReleasedModel& model, const FetchOptions& options,
                                const FetchCallbacks& callbacks) {
  GPEN_ASSIGN(const std::vector<std::string> addresses, addresses_of(model, options));
  const fs::path folder = options.folder.empty() ? install_folder() : options.folder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(Code::io, folder.string(), ": cannot be created: ", error.message());

  const fs::path target = folder / model.file;
  if (fs::exists(target, error)) {
    Result<FetchedFile> file = verify(model, target);
    if (file.ok()) return file;
    if (callbacks.notice) callbacks.notice(concat(file.status().message(), "; downloading it again"));
  }
  Status last;
  for (const std::string& address : addresses) {
    if (callbacks.notice) callbacks.notice(concat(model.name, ": downloading ", address));
    Result<FetchedFile> file = fetch_from(address, model, target, callbacks);
    if (file.ok()) return file;
    last = file.status();
    if (last.code() == Code::cancelled) return last;
    if (callbacks.notice) callbacks.notice(last.message());
  }
  return fail(last.code(), model.name, " could not be downloaded: ", last.message());
}

}  // namespace gpen
