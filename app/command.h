// One subcommand = one .cpp with one function add_NAME() that declares its options and says what runs when it is
// chosen.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "app/exit_codes.h"

namespace gpen::app {

// What the chosen subcommand does; set by its callback while the command line is parsed, run by main() afterwards.
using Action = std::function<ExitCode()>;

void add_restore(CLI::App& root, Action* action);
void add_detect(CLI::App& root, Action* action);
void add_convert(CLI::App& root, Action* action);
void add_info(CLI::App& root, Action* action);
void add_infer(CLI::App& root, Action* action);
void add_synth(CLI::App& root, Action* action);
void add_bench(CLI::App& root, Action* action);
void add_tune(CLI::App& root, Action* action);
void add_fetch(CLI::App& root, Action* action);
void add_devices(CLI::App& root, Action* action);
void add_serve(CLI::App& root, Action* action);

// Prints "gpen: MESSAGE" on stderr when the status is an error; the exit code it stands for.
ExitCode report(const Status& status);

// Sets *action to run `fn` (Status()) when `sub` is the chosen subcommand.
template <class Fn>
void on_chosen(CLI::App* sub, Action* action, Fn fn) {
  sub->callback([action, fn] { *action = [fn] { return report(fn()); }; });
}

// `_` and `-` mean the same in long options: "--lambda_id=0.2" becomes "--lambda-id=0.2". Values, and everything behind
// a bare "--", stay as they are.
std::vector<std::string> normalise_options(std::vector<std::string> arguments);

}  // namespace gpen::app
