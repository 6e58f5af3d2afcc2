// conv_gemm in fp32.
#include "kernels/conv_gemm_functions.h"
#include "kernels/conv_gemm_kernel.h"

namespace gpen::GPEN_GPU_NS {

struct ConvGemmFp32 {
  template <int kRows, int kColumns>
  using Math = Fp32Math<kRows, kColumns>;
};

void conv_gemm_fp32(Device& device, const ConvGemm& problem, ConvTile tile, int64_t row_tiles) {
  launch_conv_gemm<ConvGemmFp32>(device, "conv_gemm_fp32", problem, tile, row_tiles);
}

}  // namespace gpen::GPEN_GPU_NS
