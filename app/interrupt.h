// Ctrl-C ends a run between two steps, so that no unfinished file stays; a second one ends it at once.
#pragma once

namespace gpen::app {

void catch_interrupts();  // SIGINT and SIGTERM, from now on
bool interrupted();       // one has come

}  // namespace gpen::app
