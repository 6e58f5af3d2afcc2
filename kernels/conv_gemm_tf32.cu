// conv_gemm in tf32.
#include "kernels/conv_gemm_functions.h"
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

struct ConvGemmTf32 {
  template <int kRows, int kColumns>
  using Math = TensorCoreMath<float, kRows, kColumns>;
};

void conv_gemm_tf32(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles) {
  launch_conv_gemm<ConvGemmTf32>(device, "conv_gemm_tf32", problem, tile, row_tiles);
}

}  // namespace gpen::GPEN_GPU_NS
