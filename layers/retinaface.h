// RetinaFace (docs/reference.md 3), ResNet-50 or MobileNet0.25 backbone, BatchNorm folded at load.
#pragma once
#include "layers/network.h"
#include "layers/network_run.h"
#include "weights/weight_store.h"

namespace gpen {

class RetinaFaceNet {
 public:
  static Result<RetinaFaceNet> load(const WeightStore& store, const Processor& where);
  RetinaFaceNet share(std::shared_ptr<ThreadPool> pool) const;  // as GpenNet::share()
  RetinaFaceNet(RetinaFaceNet&&) noexcept;
  RetinaFaceNet& operator=(RetinaFaceNet&&) noexcept;
  ~RetinaFaceNet();
  struct Output {
    int64_t anchors = 0;      // per image; order of docs/reference.md 3: stride 8, 16, 32; rows, columns, the two sizes
    std::vector<float> loc;   // n x anchors x 4
    std::vector<float> conf;  // n x anchors x 2, after softmax
    std::vector<float> landms;  // n x anchors x 10
  };
  // input: n x 3 x H x W planar BGR minus (104,117,123), any H, W >= 1.
  Status forward(const TensorView& input, Output* out);
  size_t arena_bytes_for(int64_t n, int64_t h, int64_t w) const;  // as GpenNet::arena_bytes_for()
  const RetinaFaceArch& arch() const;
  const std::shared_ptr<Device>& device() const;  // null: the processor

 private:
  struct Weights;
  struct Impl;
  explicit RetinaFaceNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen
