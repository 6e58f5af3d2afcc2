// cuDNN's plain convolution (or, for `up`, transposed convolution) of a problem, channels last: no blur, no styles, no
// bias, no activation. The algorithm is the fastest of those that cuDNN finds by timing them. The product does not link
// it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "bench/check.h"
#include "runtime/device.h"

namespace gpen::bench {

std::string cudnn_version();

class CudnnLayer {
 public:
  // weight: OIHW; x: planar, one image of the sides bare_in_side(p), the same for every image of the batch. Sums are in
  // fp32 in every precision (fp16-fast is as fp16). Code::device with cuDNN's words when it refuses.
  static Result<CudnnLayer> make(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x,
                                 std::shared_ptr<Device> device, Precision precision, int64_t batch, ThreadPool& pool);
  CudnnLayer(CudnnLayer&&) noexcept;
  CudnnLayer& operator=(CudnnLayer&&) noexcept;
  ~CudnnLayer();

  void run();                              // on the device's stream; errors are noted in the device
  std::vector<float> first_image() const;  // of the output, [row][column][channel]
  const std::string& algorithm() const;    // cuDNN's name for what was found

 private:
  struct Impl;
  CudnnLayer();
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen::bench
