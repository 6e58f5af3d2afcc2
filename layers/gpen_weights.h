// What a GPEN's forward() computes with: the checkpoint's parameters, packed. Read only once loaded, so that several
// networks may share them (GpenNet::share).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "layers/network_run.h"
#include "layers/styled_conv.h"
#include "weights/architecture.h"
#include "weights/weight_store.h"

namespace gpen {

struct GpenWeights {
  GpenArch arch;
  ParameterVector ecd0;            // the 1x1 convolution of the picture, computed where it is read
  std::vector<Conv2dWeights> ecd;  // ecd1, ecd2, ...: from in_size / 2 down to 4
  LinearWeights final_linear;
  std::vector<LinearWeights> style;  // generator.style.1 ...
  ParameterVector constant;          // generator.input.input, planar
  std::vector<StyledConv> convs;     // generator.conv1, then generator.convs.0, 1, ...
  std::vector<ToRgb> to_rgbs;        // generator.to_rgb1, then generator.to_rgbs.0, 1, ...
  std::vector<std::string> names;    // of convs, for times

  // Code::model when the store is not a GPEN, or one that this code cannot run.
  static Result<std::shared_ptr<const GpenWeights>> load(const WeightStore& store, const Processor& where);
  size_t packed_bytes() const;

 private:
  struct Source;
  Status load_encoder(const Source& from);
  Status load_decoder(const Source& from);
};

inline constexpr size_t kMaxLevels = 16;  // resolutions 4 << 15 and below

}  // namespace gpen
