// gpen detect: the faces of one picture as JSON.
#include <cstdio>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/detection_options.h"
#include "app/picture_input.h"
#include "kernels/isa.h"
#include "pipeline/faces_json.h"
#include "pipeline/models.h"

namespace gpen::app {
namespace {

struct DetectOptions {
  std::string image;
  int size = 512;
  DetectionArguments detection;
  ComputeOptions compute;
};

Status detect(const DetectOptions& options) {
  GPEN_RETURN_IF_ERROR(options.compute.check());
  GPEN_RETURN_IF_ERROR(options.compute.check_fp32("a face detector"));
  GPEN_RETURN_IF_ERROR(check_isa());
  GPEN_ASSIGN(const DetectionOptions detection, options.detection.resolved());
  GPEN_RETURN_IF_ERROR(check(detection));
  const std::string detector = options.detection.detector.empty() ? installed_detector() : options.detection.detector;
  if (detector.empty()) return no_detector();

  GPEN_ASSIGN(const InputSet inputs, collect_inputs({options.image}, false));
  if (inputs.items.size() != 1)
    return fail(Code::usage, options.image, ": detect takes one picture, this is ", inputs.items.size());
  GPEN_ASSIGN(const Image photo, read_picture(inputs.items[0]));
  GPEN_ASSIGN(const Processor where, options.compute.processor());
  GPEN_ASSIGN(const auto net, load_network<RetinaFaceNet>(detector, where));
  GPEN_ASSIGN(const Detections found, detect_faces(*net, photo, detection, *where.pool));
  std::printf("%s\n",
              faces_to_json(found.faces, inputs.items[0].name, photo.width, photo.height, options.size).c_str());
  std::fprintf(stderr, "%s: %zu faces\n", inputs.items[0].name.c_str(), found.faces.size());
  return {};
}

}  // namespace

void add_detect(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("detect", "Print the faces of a picture as JSON");
  auto options = std::make_shared<DetectOptions>();
  sub->add_option("-i,--input,image", options->image, "The picture; - reads it from stdin")->required();
  sub->add_option("--size", options->size, "Side of the crops that the transforms lead to (default 512)")
      ->check(CLI::IsMember({256, 512, 1024, 2048}));
  options->detection.add_to(sub, false);
  options->compute.add_to(sub);
  on_chosen(sub, action, [options] { return detect(*options); });
}

}  // namespace gpen::app
