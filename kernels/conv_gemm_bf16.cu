// conv_gemm in bf16.
#include "kernels/conv_gemm_functions.h"
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

struct ConvGemmBf16 {
  template <int kRows, int kColumns>
  using Math = TensorCoreMath<gpu::bf16_t, kRows, kColumns>;
};

void conv_gemm_bf16(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles) {
  launch_conv_gemm<ConvGemmBf16>(device, "conv_gemm_bf16", problem, tile, row_tiles);
}

}  // namespace gpen::GPEN_GPU_NS
