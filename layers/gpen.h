// GPEN (docs/reference.md 2): encoder + StyleGAN2 decoder, all sizes, FullGenerator_SR included.
#pragma once
#include "layers/network.h"
#include "layers/network_run.h"
#include "weights/weight_store.h"

namespace gpen {

class GpenNet {
 public:
  // bf16 on the processor: the decoder's convolutions. The encoder, the mapping network, styles and demodulation stay
  // in fp32: they are an eighth of the work and would make three quarters of the error. On a device every precision is
  // for the whole network but styles, demodulation and the mapping network.
  static Result<GpenNet> load(const WeightStore& store, const Processor& where);
  // Another one with the same weights, whose forward() may run at the same time as this one's: it has an arena of its
  // own, and the pool. Of a network on the processor only.
  GpenNet share(std::shared_ptr<ThreadPool> pool) const;
  GpenNet(GpenNet&&) noexcept;
  GpenNet& operator=(GpenNet&&) noexcept;
  ~GpenNet();

  const GpenArch& arch() const;
  const std::shared_ptr<Device>& device() const;  // null: the processor
  struct Extra {                                  // optional outputs, each resized by forward(); planar
    std::vector<float>* encoder_4x4 = nullptr;    // n x C x 4 x 4
    std::vector<float>* latent = nullptr;         // n x style_dim, after the mapping network
    std::vector<LayerTime>* times = nullptr;
  };
  // input:  n x 3 x in_size x in_size planar RGB in [-1,1];  output: n x 3 x out_size x out_size planar, about [-1,1].
  // seed: for the noise of FullGenerator_SR's levels without an encoder feature; ignored elsewhere.
  // Code::usage on a wrong shape, Code::memory when the arena cannot be had.
  Status forward(const TensorView& input, TensorView output, uint64_t seed = 0, const Extra* extra = nullptr);
  size_t arena_bytes() const;   // of the last planned shape
  size_t held_bytes() const;    // of the block it stands in, which may be larger (runtime/workspace.h)
  void release_memory();        // gives that back; the next forward() takes it anew
  size_t weight_bytes() const;  // packed
  // Arena needed for a batch of n, without allocating it.
  size_t arena_bytes_for(int64_t n) const;

 private:
  struct Impl;
  explicit GpenNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen
