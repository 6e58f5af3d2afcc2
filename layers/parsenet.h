// ParseNet (docs/reference.md 5): 19-class face parsing, BatchNorm folded at load.
#pragma once
#include "layers/network.h"
#include "layers/network_run.h"
#include "weights/weight_store.h"

namespace gpen {

class ParseNet {
 public:
  static Result<ParseNet> load(const WeightStore& store, const Processor& where);
  ParseNet share(std::shared_ptr<ThreadPool> pool) const;  // as GpenNet::share()
  ParseNet(ParseNet&&) noexcept;
  ParseNet& operator=(ParseNet&&) noexcept;
  ~ParseNet();
  const ParseNetArch& arch() const;
  const std::shared_ptr<Device>& device() const;  // null: the processor
  size_t arena_bytes_for(int64_t n) const;        // as GpenNet::arena_bytes_for(), at S = arch().size
  // input: n x 3 x S x S planar RGB in [-1,1], S = arch().size (any multiple of 2^(downs), two of them at least,
  // works); mask_logits: n x classes x S x S planar; image: n x 3 x S x S planar, data null: that head is not computed.
  Status forward(const TensorView& input, TensorView mask_logits, TensorView image);

 private:
  struct Weights;
  struct Impl;
  explicit ParseNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen
