// Which networks a run works with: what a MODEL stands for (a name from the catalogue, a .safetensors, a .pth, or an
// analytic network), what is taken when none is named, and loading them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "layers/network_run.h"
#include "pipeline/restore.h"
#include "weights/synth.h"
#include "weights/weight_store.h"

namespace gpen {

// "identity", "negative" and "sharpen": GPENs whose weights are written down by hand, made in memory.
bool is_analytic(const std::string& model);
// side: 256, 512, 1024 or 2048.
Result<WeightStore> analytic_model(const std::string& model, int side);

// A catalogue name that is installed, or a file. Code::model says where a missing model was looked for and how to get
// it; a name with a '/' or a '.' in it is a file.
Result<WeightStore> open_model(const std::string& model);

// A network from a MODEL. Code::model when the weights are those of another network.
template <class Net>
Result<std::shared_ptr<Net>> load_network(const std::string& model, const Processor& where) {
  GPEN_ASSIGN(const WeightStore store, open_model(model));
  GPEN_ASSIGN(Net net, Net::load(store, where));
  return std::make_shared<Net>(std::move(net));
}

// The detector MODEL that is used when none is named: the best one that is installed; empty: there is none.
std::string installed_detector();
// Code::model "no face detector is installed; ...".
Status no_detector();

// Networks whose weights are at hand (in an embedder's memory): nothing is looked up for them, and their names in a
// ModelChoice are for messages. Not owned.
struct GivenWeights {
  const WeightStore* gpen = nullptr;
  const WeightStore* detector = nullptr;
  const WeightStore* parser = nullptr;
  const WeightStore* upscaler = nullptr;
};

// What a person asks for. MODELs: empty is the default, "none" (not of the GPEN) is without.
struct ModelChoice {
  std::string gpen;                 // default: the released one of `size`, else the largest installed up to 1024
  std::string detector;             // default: the best one that is installed
  std::string parser;               // default: ParseNet if it is installed
  std::string upscaler = "none";    // a RealESRNet; empty: the released one of upscale
  Task task = Task::restore;        // other than restore: the default GPEN is the released one of the task
  int size = 0;                     // side of the restored faces; 0: as the GPEN has it (512 for an analytic one)
  int upscale = 0;                  // 1, 2 or 4; 0: as the upscaler has it
  bool aligned = false;             // pictures are aligned faces: no detector, no parser
  bool faces_given = false;         // no detector
  bool untrained_fallback = false;  // `sharpen` when no GPEN is installed, and no detector when none is installed
  GivenWeights given;
};

// What was loaded, by the names that a report should show (empty: none).
struct LoadedModels {
  Models networks;
  std::string gpen, detector, parser, upscaler;
  int size = 0;                    // output side of the GPEN
  std::vector<std::string> notes;  // for people: what stands in for what is not installed
};
// Finds all of them before loading any, so that a missing one is reported at once. Code::model says how to get it;
// Code::usage when size or upscale contradict the networks.
Result<LoadedModels> load_models(const ModelChoice& choice, const Processor& where);

// Where the detector computes: in fp32, for its landmarks decide where a face is.
Processor for_detector(const Processor& where);
// Where parser and upscaler compute: as the GPEN on a device, in fp32 on the processor.
Processor for_parser_and_upscaler(const Processor& where);

}  // namespace gpen
