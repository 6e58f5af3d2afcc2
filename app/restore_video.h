// gpen restore on videos: docs/video.md.
#pragma once
#include "app/exit_codes.h"
#include "app/restore_options.h"

namespace gpen::app {

// Whether the inputs are videos, by their content (by their name where it says nothing). Code::usage for videos and
// photos in one run, and for an option that is for the other kind.
Result<bool> are_videos(const RestoreArguments& arguments);

// All of them, one after the other. A failed one does not stop those behind it.
Result<ExitCode> restore_videos(const RestoreArguments& arguments);

}  // namespace gpen::app
