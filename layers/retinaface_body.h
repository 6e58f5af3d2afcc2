// The two backbones of RetinaFace (docs/reference.md 3): ResNet-50 and MobileNetV1 x 0.25, BatchNorm folded.
#pragma once
#include <array>
#include <memory>

#include "layers/activation.h"
#include "runtime/thread_pool.h"
#include "weights/architecture.h"

namespace gpen {

class RetinaFaceBody {
 public:
  // Blocked activations of stride 8, 16 and 32: sides ceil(H/8), ceil(H/16), ceil(H/32).
  using Levels = std::array<Activation, 3>;
  static Result<std::unique_ptr<RetinaFaceBody>> load(const WeightStore& store, RetinaFaceArch::Backbone backbone,
                                                      const Placement& at);
  virtual ~RetinaFaceBody() = default;
  virtual std::array<int64_t, 3> channels() const = 0;
  // x: n x 3 x H x W, an activation.
  virtual Status run(Exec& exec, Activation x, Levels* out) const = 0;
};

}  // namespace gpen
