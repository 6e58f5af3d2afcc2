// RRDBNet (docs/reference.md 6): RealESRNet x1, x2, x4 background upscaler.
#pragma once
#include <functional>
#include <vector>

#include "layers/network.h"
#include "layers/network_run.h"
#include "layers/tiles.h"
#include "weights/weight_store.h"

namespace gpen {

class RrdbNet {
 public:
  static Result<RrdbNet> load(const WeightStore& store, const Processor& where);
  RrdbNet(RrdbNet&&) noexcept;
  RrdbNet& operator=(RrdbNet&&) noexcept;
  ~RrdbNet();
  const RrdbNetArch& arch() const;
  const std::shared_ptr<Device>& device() const;  // null: the processor
  // input: n x 3 x H x W planar RGB in [0,1]; output: n x 3 x scale*H x scale*W planar, not clamped.
  // H and W must be multiples of 4/scale (Code::usage); upscale() pads.
  Status forward(const TensorView& input, TensorView output);
  // Gives the activations' memory back until the next forward(): that of a whole photo is large.
  void release_memory();
  // How upscale() divides a picture of h x w pixels.
  std::vector<Tile> tiles(int64_t h, int64_t w, int tile) const;
  // One picture of any size: reflect-pads right and bottom, works in tiles of tile x tile input pixels (0: one piece)
  // that read 10 more pixels on every side that has a neighbour, and crops. Tile and margin are rounded up to a
  // multiple of 4/scale, so that every tile unshuffles the same pixels. Input and output are in the host's memory (on a
  // device: pipeline/device_background.h). progress(done, total) may return false to
  // cancel.
  Status upscale(const TensorView& input, TensorView output, int tile,
                 const std::function<bool(int, int)>& progress = nullptr);

 private:
  struct Impl;
  explicit RrdbNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen
