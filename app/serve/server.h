// `gpen serve`: from the options to the end of the server.
#pragma once
#include "app/serve/options.h"

namespace gpen::serve {

// Serves until SIGINT or SIGTERM; a second signal ends the program at once. Says on stderr where it listens and what it
// does. Code::io when the address cannot be had, Code::model, Code::device and Code::usage as `gpen restore`.
Status run_server(const ServeOptions& options);

}  // namespace gpen::serve
