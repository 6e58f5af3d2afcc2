// The kernels of conv_blurred_kernel.h, in every precision.
#include "kernels/conv_blurred_kernel.h"

#include "kernels/conv_gemm_functions.h"

namespace gpen::GPEN_GPU_NS {

namespace {

template <class Math>
void launch(Device& device, const ConvGemm& p, ConvTile tile) {
  const int columns = shape_of(tile).columns;
  const int64_t tiles = ceil_div(p.phase[0].out_h, BlurPatch::kRows) * ceil_div(p.phase[0].out_w, BlurPatch::kColumns);
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(ceil_div(p.out_channels, columns)),
                  static_cast<unsigned>(p.images));
  const auto run = [&](auto kernel, unsigned threads) {
    const size_t scale = static_cast<size_t>(p.x.chunks * (kRowBytes / 16) * kVectorWidth<typename Math::Element>) * 4;
    gpu::launch(device, "conv_blurred", kernel, grid, dim3(threads), BlurPatch::shared_bytes(columns, scale), p);
  };
  if (tile == ConvTile::m128n128)
    run(conv_blurred_kernel<Math, 128>, 256);
  else
    run(conv_blurred_kernel<Math, 64>, 128);
}

}  // namespace

void conv_blurred(Device& device, const ConvGemm& p, Precision precision, ConvTile tile) {
  switch (precision) {
    case Precision::fp32:
      return launch<Fp32Math<64, 32>>(device, p, tile);
    case Precision::tf32:
      return launch<TensorCoreMath<float, 64, 32>>(device, p, tile);
    case Precision::bf16:
      return launch<TensorCoreMath<gpu::bf16_t, 64, 32>>(device, p, tile);
    case Precision::fp16:
      return launch<TensorCoreMath<gpu::half_t, 64, 32>>(device, p, tile);
    case Precision::fp16_fast:
      return launch<TensorCoreMath<gpu::half_t, 64, 32, true>>(device, p, tile);
  }
}

}  // namespace gpen::GPEN_GPU_NS
