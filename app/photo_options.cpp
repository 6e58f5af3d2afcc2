#include "app/photo_options.h"

namespace gpen::app {

void PhotoArguments::add_to(CLI::App* sub) {
  const char* group = "Photo";
  sub->add_option("--gray", gray, "keep: a gray photo gives a gray file; rgb (default): a colour file")
      ->check(CLI::IsMember({"keep", "rgb"}))
      ->group(group);
  sub->add_flag("--strip-metadata", strip_metadata,
                "Leave out EXIF (place, camera, time), XMP, IPTC and texts; colour profiles stay")
      ->group(group);
}

Status PhotoArguments::check(Task task) const {
  if (keep_gray() && task == Task::colorize)
    return fail(Code::usage, "--gray keep and --task colorize exclude each other");
  return {};
}

}  // namespace gpen::app
