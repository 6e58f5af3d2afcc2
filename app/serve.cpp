// gpen serve: starts the server, a program of its own (app/serve/main.cpp), in this one's place.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "app/command.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

Status serve([[maybe_unused]] const std::vector<std::string>& arguments) {
#ifndef GPEN_WITH_SERVER
  return fail(Code::usage, "serve: this build has no HTTP server (it was built with -DGPEN_SERVER=OFF or without cpp-httplib)");
#else
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string looked;
  for (const fs::path& place : {program / "gpen-serve", program / "../libexec/gpen/gpen-serve"}) {
    looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
    if (!fs::exists(place, ignored)) continue;
    std::string name = place.string();
    std::vector<char*> argv = {name.data()};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(name.c_str(), argv.data());
    return fail(Code::io, name, ": cannot start: ", std::strerror(errno));
  }
  return fail(Code::io, "serve: the server is missing; looked for ", looked);
#endif
}

}  // namespace

void add_serve(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("serve", "Restore photos over HTTP, with a web page");
  sub->set_help_flag();  // its options, --help among them, are the server's
  sub->prefix_command();
  sub->callback([sub, action] { *action = [sub] { return report(serve(sub->remaining())); }; });
}

}  // namespace gpen::app
