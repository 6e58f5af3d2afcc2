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
  GPEN_ASSIGN(const Architecture released, parse_architecture(concat("gpen-bfr-", side)));
  GPEN_ASSIGN(WeightStore store, synthesize(analytic_architecture(released), kind));
  store.source = model;
  return store;
}

Result<WeightStore> open_model(const std::string& model) {
  GPEN_ASSIGN(const std::filesystem::path path, resolve_model(model));
  return open_weights(path);
}

}  // namespace gpen::app
