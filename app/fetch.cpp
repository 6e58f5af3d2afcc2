// gpen fetch: lists the released models, and downloads, verifies and converts them.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "app/command.h"
#include "app/download.h"
#include "app/inputs.h"
#include "app/models.h"
#include "convert/checkpoint.h"
#include "weights/catalogue.h"
#include "weights/safetensors.h"
#include "weights/sha256.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

struct FetchOptions {
  std::vector<std::string> models;
  std::string from;
  bool yes = false, force = false;
};

Status list_models() {
  std::printf("%-26s %-10s %8s  %s\n", "MODEL", "TASK", "MB", "INSTALLED");
  for (const ReleasedModel& model : catalogue()) {
    const fs::path installed = installed_model(model.name);
    const std::string size = model.bytes > 0 ? concat((model.bytes + 500000) / 1000000) : "?";
    std::printf("%-26s %-10s %8s  %s\n", model.name.c_str(), model.task.c_str(), size.c_str(),
                installed.empty() ? "-" : installed.c_str());
  }
  std::fprintf(stderr, "\ngpen fetch MODEL... installs into %s\n", install_folder().c_str());
  return {};
}

Result<std::vector<const ReleasedModel*>> wanted_models(const std::vector<std::string>& names) {
  std::vector<const ReleasedModel*> models;
  for (const std::string& name : names) {
    const ReleasedModel* model = find_released(name);
    if (model == nullptr) return fail(Code::model, name, ": no released model has this name; `gpen fetch` lists them");
    models.push_back(model);
  }
  return models;
}

Status confirm(bool yes) {
  std::fprintf(stderr, "%s\n", kLicenceNotice);
  if (yes) return {};
  if (isatty(STDIN_FILENO) != 1)
    return fail(Code::usage, "fetch: nothing was downloaded; pass --yes to accept the notice above");
  std::fprintf(stderr, "Download? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return fail(Code::cancelled, "fetch: nothing was downloaded");
}

// The released file is what its authors state, as far as they state it; the digest of the file otherwise.
Result<std::string> verify(const ReleasedModel& model, const fs::path& file) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  if (error) return fail(Code::io, file.string(), ": ", error.message());
  if (model.bytes > 0 && bytes != static_cast<uintmax_t>(model.bytes))
    return fail(Code::model, model.file, ": has ", bytes, " bytes, the released file has ", model.bytes);
  GPEN_ASSIGN(const std::string digest, sha256_of_file(file));
  if (!model.sha256.empty() && digest != model.sha256)
    return fail(Code::model, model.file, ": SHA-256 is ", digest, ", that of the released file is ", model.sha256);
  return digest;
}

// Tries the addresses in order until one gives the right file at `part`. A wrong file is removed; an unfinished one
// stays for the next attempt where its digest can be checked.
Result<std::string> download_verified(const ReleasedModel& model, const std::vector<std::string>& addresses,
                                      const fs::path& part) {
  Status last = fail(Code::io, model.name, ": no address is known");
  for (const std::string& address : addresses) {
    std::error_code ignored;
    std::fprintf(stderr, "%s: downloading %s\n", model.name.c_str(), address.c_str());
    const bool complete = model.bytes > 0 && fs::exists(part, ignored) &&
                          fs::file_size(part, ignored) == static_cast<uintmax_t>(model.bytes);
    Status status = complete ? Status() : download(address, part);
    if (status.ok()) {
      Result<std::string> digest = verify(model, part);
      if (digest.ok()) return digest;
      status = digest.status();
      fs::remove(part, ignored);
    } else if (model.sha256.empty()) {
      fs::remove(part, ignored);
    }
    std::fprintf(stderr, "gpen: %s\n", status.message().c_str());
    last = std::move(status);
  }
  return fail(last.code(), model.name, " could not be fetched: ", last.message());
}

Status convert_and_install(const ReleasedModel& model, const fs::path& part, const fs::path& installed) {
  Result<WeightStore> store = convert_checkpoint(part, "", DType::f32);
  if (!store.ok()) return std::move(store).status().in(model.name);
  GPEN_ASSIGN(const Architecture found, detect_architecture(*store));
  GPEN_ASSIGN(const Architecture expected, parse_architecture(model.architecture));
  if (describe(found) != describe(expected))
    return fail(Code::model, model.name, ": the file holds ", describe(found), ", not ", describe(expected));
  store->metadata["gpen.source"] = model.file;
  return save_safetensors(installed, *store);
}

Status fetch_model(const ReleasedModel& model, const FetchOptions& options) {
  if (const fs::path existing = installed_model(model.name); !existing.empty() && !options.force) {
    std::printf("%s\n", existing.c_str());
    std::fprintf(stderr, "%s: is installed already\n", model.name.c_str());
    return {};
  }
  const fs::path folder = install_folder(), part = folder / (model.file + ".part");
  GPEN_RETURN_IF_ERROR(make_folder(folder));
  const fs::path installed = folder / (model.name + ".safetensors");
  std::vector<std::string> addresses = model.addresses;
  if (!options.from.empty()) addresses = {options.from + (options.from.back() == '/' ? "" : "/") + model.file};
  GPEN_ASSIGN(const std::string digest, download_verified(model, addresses, part));
  const Status status = convert_and_install(model, part, installed);
  std::error_code ignored;
  if (status.ok() || status.code() == Code::model) fs::remove(part, ignored);
  GPEN_RETURN_IF_ERROR(status);
  std::fprintf(stderr, "%s: SHA-256 %s%s\n", model.name.c_str(), digest.c_str(),
               model.sha256.empty() ? " (none is stated for this file: recorded in the converted one)" : ", as stated");
  std::printf("%s\n", installed.c_str());
  return {};
}

Status fetch(const FetchOptions& options) {
  if (options.models.empty()) return list_models();
  GPEN_ASSIGN(const std::vector<const ReleasedModel*> models, wanted_models(options.models));
  GPEN_RETURN_IF_ERROR(confirm(options.yes));
  for (const ReleasedModel* model : models) GPEN_RETURN_IF_ERROR(fetch_model(*model, options));
  return {};
}

}  // namespace

void add_fetch(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("fetch", "List the released models, or download some");
  auto options = std::make_shared<FetchOptions>();
  sub->add_option("models", options->models, "What to download; nothing: list what there is and what is installed");
  sub->add_flag("-y,--yes", options->yes, "Accept the licence notice of the weights without being asked");
  sub->add_flag("--force", options->force, "Download again what is installed");
  sub->add_option("--from", options->from, "A folder, or an address, that holds the released files")
      ->check([](const std::string& text) { return text.empty() ? std::string("is empty") : std::string(); });
  on_chosen(sub, action, [options] { return fetch(*options); });
}

}  // namespace gpen::app
