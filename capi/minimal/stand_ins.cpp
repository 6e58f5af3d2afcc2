// What stands in the minimal library for the files of pipeline/ and layers/ that it leaves out: the C API above them is
// the same, and says what is missing. It restores aligned faces with a GPEN from a safetensors file or from memory.
#include "layers/retinaface.h"
#include "layers/rrdbnet.h"
#include "pipeline/aligned_face.h"
#include "pipeline/drawing.h"
#include "pipeline/faces_json.h"
#include "pipeline/models.h"
#include "pipeline/plan_files.h"
#include "weights/safetensors.h"

namespace gpen {

namespace {

Status left_out(const char* what) {
  return fail(Code::usage, "this is the minimal library of gpen, which has no ", what);
}

bool is_wanted(const std::string& name) { return !name.empty() && name != "none"; }

}  // namespace

// Networks

std::string installed_detector() { return "none"; }  // what is taken when no detector is named
Status no_detector() { return left_out("face detector"); }
Processor for_detector(const Processor& where) { return where; }
void load_conv_plans(Device&, std::vector<std::string>*) {}  // no device is ever opened
Result<WeightStore> open_model(const std::string&) { return no_detector(); }

Result<LoadedModels> load_models(const ModelChoice& c, const Processor& where) {
  if (is_wanted(c.detector)) return no_detector();
  if (is_wanted(c.parser)) return left_out("face parser");
  if (is_wanted(c.upscaler)) return left_out("upscaler");
  LoadedModels loaded;
  loaded.gpen = c.gpen;
  WeightStore file;
  if (c.given.gpen == nullptr) {
    const bool is_file = c.gpen.find('/') != std::string::npos || c.gpen.find('.') != std::string::npos;
    if (!is_file)
      return left_out(c.gpen.empty() ? "default model; name a .safetensors file"
                                     : "catalogue of models; name a .safetensors file");
    GPEN_ASSIGN(file, open_safetensors(c.gpen));
  }
  GPEN_ASSIGN(GpenNet net, GpenNet::load(c.given.gpen != nullptr ? *c.given.gpen : file, where));
  loaded.size = net.arch().out_size;
  if (c.size > 0 && loaded.size != c.size)
    return fail(Code::usage, "size ", c.size, ": ", loaded.gpen, " restores faces of ", loaded.size);
  loaded.networks.gpen = std::make_shared<GpenNet>(std::move(net));
  return loaded;
}

struct RetinaFaceNet::Impl {};
RetinaFaceNet::RetinaFaceNet(RetinaFaceNet&&) noexcept = default;
RetinaFaceNet::~RetinaFaceNet() = default;
Result<RetinaFaceNet> RetinaFaceNet::load(const WeightStore&, const Processor&) { return no_detector(); }

// The C API asks it for an upscaler's factor, and there is none.
const RrdbNetArch& RrdbNet::arch() const {
  static const RrdbNetArch arch;
  return arch;
}

// Detection

Status check(const DetectionOptions&) { return {}; }
Result<Detections> detect_faces(RetinaFaceNet&, const Image&, const DetectionOptions&, ThreadPool&) {
  return no_detector();
}
Result<Box> box_from_landmarks(const Landmarks&) { return left_out("faces to be found in a photo"); }

// Restoring

Status check(const RestoreOptions& o) {
  if (!o.aligned) return left_out("photos with faces in them: set aligned, the picture is then the face");
  if (!(o.lambda_id >= 0 && o.lambda_id <= 1))
    return fail(Code::usage, "lambda-id must be between 0 and 1, not ", o.lambda_id);
  if (!(o.alpha >= 0 && o.alpha <= 1)) return fail(Code::usage, "alpha must be between 0 and 1, not ", o.alpha);
  return {};
}

Restorer::Restorer(Models models, std::shared_ptr<ThreadPool> pool)
    : models_(std::move(models)), pool_(std::move(pool)) {}

Result<RestoreResult> Restorer::restore(const Image& photo, const RestoreOptions& options, const std::vector<Face>*) {
  GPEN_RETURN_IF_ERROR(gpen::check(options));
  GPEN_ASSIGN(RestoreResult result, restore_aligned_face(*models_.gpen, photo, options, *pool_));
  if (options.draw_boxes)
    draw_faces(&result.image, {result.faces.front().face}, scale_of_aligned_face(models_.gpen->arch(), photo));
  if (options.compare) result.comparison = side_by_side(photo, result.image, *pool_);
  if (options.progress != nullptr && !options.progress("paste", 1)) return fail(Code::cancelled, "cancelled");
  return result;
}

}  // namespace gpen
