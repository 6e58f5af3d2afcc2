#include "app/detection_options.h"

namespace gpen::app {

void DetectionArguments::add_to(CLI::App* sub, bool may_be_none) {
  const char* group = "Detection";
  sub->add_option("--detector", detector,
                  may_be_none ? "A RetinaFace model, or none (default: the best installed)"
                              : "A RetinaFace model (default: the best installed)")
      ->group(group);
  filters = {
      sub->add_option("--threshold", options.threshold, "Scores above this are faces (default 0.9)")
          ->check(CLI::Range(0.0, 1.0)),
      sub->add_option("--detect-size", detect_size,
                      "Shrink larger photos to this longer side for detection; 0: never\n"
                      "(default: photos above 1500 pixels, to 1000)")
          ->check(CLI::Range(0, 32767)),
      sub->add_option("--min-face", options.min_face, "Leave out faces smaller than this many pixels")
          ->check(CLI::Range(0.0, 32767.0)),
      sub->add_option("--max-faces", options.max_faces, "Only the best N faces")->check(CLI::Range(1, 100000)),
      sub->add_flag("--largest-face", options.largest_only, "Only the largest face"),
  };
  for (CLI::Option* filter : filters) filter->group(group);
}

DetectionOptions DetectionArguments::resolved() const {
  DetectionOptions result = options;
  if (detect_size >= 0) result.shrink_above = result.shrink_to = detect_size;
  return result;
}

std::string DetectionArguments::given_filter() const {
  for (const CLI::Option* filter : filters) {
    if (filter->count() > 0) return filter->get_name();
  }
  return "";
}

}  // namespace gpen::app
