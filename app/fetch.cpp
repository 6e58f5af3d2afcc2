// gpen fetch: lists the released models, and downloads, verifies and converts them.
#include "convert/fetch.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "app/command.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "weights/catalogue.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

struct FetchArguments {
  std::vector<std::string> models;
  FetchOptions options;
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
  std::fprintf(stderr, "%s\n", licence_notice().c_str());
  if (yes) return {};
  if (isatty(STDIN_FILENO) != 1)
    return fail(Code::usage, "fetch: nothing was downloaded; pass --yes to accept the notice above");
  std::fprintf(stderr, "Download? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return fail(Code::cancelled, "fetch: nothing was downloaded");
}

Status fetch_one(const ReleasedModel& model, const FetchArguments& arguments) {
  if (const fs::path existing = installed_model(model.name); !existing.empty() && !arguments.force) {
    std::fprintf(stderr, "%s: is installed already\n", model.name.c_str());
    std::printf("%s\n", existing.c_str());
    return {};
  }
  constexpr double kMegabyte = 1e6;
  std::optional<ProgressBar> bar;  // once the size is known
  FetchCallbacks callbacks;
  callbacks.cancelled = [] { return interrupted(); };
  callbacks.progress = [&](int64_t done, int64_t total) {
    if (total <= 0) return;
    if (!bar) bar.emplace("MB", static_cast<int64_t>(static_cast<double>(total) / kMegabyte));
    bar->at(static_cast<double>(done) / kMegabyte);
  };
  callbacks.notice = [&](const std::string& line) {
    if (bar) bar->hide();
    std::fprintf(stderr, "%s\n", line.c_str());
  };
  const Result<fs::path> installed = fetch_and_convert(model, arguments.options, callbacks);
  bar.reset();
  if (!installed.ok()) return installed.status();
  std::printf("%s\n", installed->c_str());
  return {};
}

Status fetch(const FetchArguments& arguments) {
  if (arguments.models.empty()) return list_models();
  GPEN_ASSIGN(const std::vector<const ReleasedModel*> models, wanted_models(arguments.models));
  GPEN_RETURN_IF_ERROR(confirm(arguments.yes));
  catch_interrupts();
  for (const ReleasedModel* model : models) GPEN_RETURN_IF_ERROR(fetch_one(*model, arguments));
  return {};
}

}  // namespace

void add_fetch(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("fetch", "List the released models, or download some");
  auto arguments = std::make_shared<FetchArguments>();
  sub->add_option("models", arguments->models, "What to download; nothing: list what there is and what is installed");
  sub->add_flag("-y,--yes", arguments->yes, "Accept the licence notice of the weights without being asked");
  sub->add_flag("--force", arguments->force, "Download again what is installed");
  sub->add_option("--mirror", arguments->options.mirror, "An https address that holds the released files");
  on_chosen(sub, action, [arguments] { return fetch(*arguments); });
}

}  // namespace gpen::app
