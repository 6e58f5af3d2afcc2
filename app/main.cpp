// The `gpen` command: results and JSON on stdout, progress and messages on stderr, exit codes of app/exit_codes.h.
#include <csignal>
#include <cstdio>
#include <new>

#include "app/command.h"

#ifndef GPEN_VERSION
#error "the build defines GPEN_VERSION"
#endif

namespace gpen::app {

ExitCode report(const Status& status) {
  if (!status.ok()) std::fprintf(stderr, "gpen: %s\n", status.message().c_str());
  return exit_code(status.code());
}

std::vector<std::string> normalise_options(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument.rfind("--", 0) != 0) continue;
    const size_t end = std::min(argument.find('='), argument.size());
    for (size_t i = 2; i < end; ++i) {
      if (argument[i] == '_') argument[i] = '-';
    }
  }
  return arguments;
}

namespace {

ExitCode run(int argc, char** argv) {
  CLI::App root{"Restores faces in photos with GPEN, on the CPU or a CUDA device, without Python."};
  root.name("gpen");
  root.set_version_flag("--version", std::string("gpen ") + GPEN_VERSION);
  root.require_subcommand(1);
  root.footer(
      "`gpen SUBCOMMAND --help` lists the options of a subcommand.\n"
      "Exit codes: 0 all done, 1 some inputs failed, 2 usage, 3 model or weights, 4 input or output, 5 device, "
      "6 out of memory.");
  Action action;
  add_restore(root, &action);
  add_detect(root, &action);
  add_convert(root, &action);
  add_info(root, &action);
  add_infer(root, &action);
  add_synth(root, &action);
  add_bench(root, &action);
  add_tune(root, &action);
  add_fetch(root, &action);
  add_devices(root, &action);
  add_serve(root, &action);

  std::vector<std::string> arguments = normalise_options({argv + 1, argv + argc});
  try {
    root.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& e) {  // --help, --version
    return root.exit(e) == 0 ? kDone : kUsage;
  } catch (const CLI::ParseError& e) {
    root.exit(e, std::cerr, std::cerr);
    return kUsage;
  }
  return action();
}

}  // namespace
}  // namespace gpen::app

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end of the program
  try {
    const int code = gpen::app::run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      std::fprintf(stderr, "gpen: standard output: cannot write\n");
      return code == gpen::app::kDone ? gpen::app::kIo : code;
    }
    return code;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "gpen: out of memory\n");
    return gpen::app::kMemory;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpen: %s\n", e.what());
    return gpen::app::kSomeFailed;
  }
}
