// conv_gemm in half precision.
#include "kernels/conv_gemm_functions.h"
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

struct ConvGemmFp16 {
  template <int kRows, int kColumns>
  using Math = TensorCoreMath<gpu::half_t, kRows, kColumns>;
};

void conv_gemm_fp16(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles) {
  launch_conv_gemm<ConvGemmFp16>(device, "conv_gemm_fp16", problem, tile, row_tiles);
}

}  // namespace gpen::GPEN_GPU_NS
