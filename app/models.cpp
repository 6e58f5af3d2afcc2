#include "app/models.h"

#include "convert/checkpoint.h"
#include "weights/catalogue.h"

namespace gpen::app {

const char* const kNotTrainedNotice =
    "note: no trained weights are installed. This run uses the analytic network `sharpen`: the whole real pipeline,\n"
    "      but not the trained prior; it sharpens a face and restores nothing. For the trained network:\n"
    "          gpen fetch gpen-bfr-512";

bool is_analytic(const std::string& model) { return model == "identity" || model == "negative" || model == "sharpen"; }

Result<WeightStore> analytic_model(const std::string& model, int side) {
  const SynthKind kind = model == "identity"   ? SynthKind::identity
                         : model == "negative" ? SynthKind::negative
                                               : SynthKind::sharpen;
  // The narrowest GPEN with 16 channels at the finest level.
  const char* width = side <= 256    ? ",cm=4,narrow=0.0625"
                      : side == 512  ? ",cm=8,narrow=0.0625"
                      : side == 1024 ? ",cm=8,narrow=0.125"
                                     : ",cm=8,narrow=0.25";
  GPEN_ASSIGN(const Architecture arch, parse_architecture(concat("gpen:size=", side, width, ",style=16,mlp=1")));
  GPEN_ASSIGN(WeightStore store, synthesize(arch, kind));
  store.source = model;
  return store;
}

Result<WeightStore> open_model(const std::string& model) {
  GPEN_ASSIGN(const std::filesystem::path path, resolve_model(model));
  return open_weights(path);
}

}  // namespace gpen::app
