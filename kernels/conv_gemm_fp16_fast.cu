// conv_gemm in half precision with short sums.
#include "kernels/conv_gemm_functions.h"
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

struct ConvGemmFp16Fast {
  template <int kRows, int kColumns>
  using Math = TensorCoreMath<gpu::half_t, kRows, kColumns, true>;
};

void conv_gemm_fp16_fast(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles) {
  launch_conv_gemm<ConvGemmFp16Fast>(device, "conv_gemm_fp16_fast", problem, tile, row_tiles);
}

}  // namespace gpen::GPEN_GPU_NS
