// The program behind `gpen serve`, a file of its own beside `gpen`: it alone needs the HTTP library and what that needs.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>

#include "app/exit_codes.h"
#include "app/serve/server.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"Restores photos for programs over HTTP, and for people on a web page."};
  app.name("gpen serve");
  app.set_version_flag("--version", std::string("gpen ") + GPEN_VERSION);
  gpen::serve::ServeOptions options;
  options.add_to(&app);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e) == 0 ? gpen::app::kDone : gpen::app::kUsage;
  } catch (const CLI::ParseError& e) {
    app.exit(e, std::cerr, std::cerr);
    return gpen::app::kUsage;
  }
  if (const char* key = std::getenv("GPEN_API_KEY"); key != nullptr && options.api_key.empty()) options.api_key = key;
  const gpen::Status status = gpen::serve::run_server(options);
  if (!status.ok()) std::fprintf(stderr, "gpen: %s\n", status.message().c_str());
  return gpen::app::exit_code(status.code());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "gpen: out of memory\n");
    return gpen::app::kMemory;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpen: %s\n", e.what());
    return gpen::app::kSomeFailed;
  }
}
