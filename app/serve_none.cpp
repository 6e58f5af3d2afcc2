// gpen serve in a build without it (GPEN_SERVER=OFF): says so, whatever options are given.
#include "app/command.h"

namespace gpen::app {

void add_serve(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("serve", "")->group("");  // not in the list of commands
  sub->allow_extras();
  sub->set_help_flag();
  on_chosen(sub, action, [] {
    return fail(Code::usage, "serve: this build has no server (it was configured with GPEN_SERVER=OFF)");
  });
}

}  // namespace gpen::app
