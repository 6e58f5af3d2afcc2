#include "app/detection_options.h"

#include <cstdlib>
#include <sstream>

namespace gpen::app {
namespace {

Result<std::vector<double>> parse_angles(const std::string& text) {
  if (text == "all") return std::vector<double>{0, 90, 180, 270};
  std::vector<double> angles;
  std::istringstream list(text);
  for (std::string word; std::getline(list, word, ',');) {
    char* end = nullptr;
    const double angle = std::strtod(word.c_str(), &end);
    if (word.empty() || *end != '\0')
      return fail(Code::usage, "--angles ", text, ": '", word,
                  "' is no angle; expected a list like 0,90,180,270, or all");
    angles.push_back(angle);
  }
  return angles;
}

}  // namespace

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
      sub->add_option("--angles", angles,
                      "Look for faces with the photo turned by each of these degrees: 0,90,180,270, or all\n"
                      "(default: as it stands; every angle takes the time of one detection)"),
      sub->add_option("--min-face", options.min_face, "Leave out faces smaller than this many pixels")
          ->check(CLI::Range(0.0, 32767.0)),
      sub->add_option("--max-faces", options.max_faces, "Only the best N faces")->check(CLI::Range(1, 100000)),
      sub->add_flag("--largest-face", options.largest_only, "Only the largest face"),
  };
  for (CLI::Option* filter : filters) filter->group(group);
}

Result<DetectionOptions> DetectionArguments::resolved() const {
  DetectionOptions result = options;
  if (detect_size >= 0) result.shrink_above = result.shrink_to = detect_size;
  GPEN_ASSIGN(result.angles, parse_angles(angles));
  return result;
}

std::string DetectionArguments::given_filter() const {
  for (const CLI::Option* filter : filters) {
    if (filter->count() > 0) return filter->get_name();
  }
  return "";
}

}  // namespace gpen::app
