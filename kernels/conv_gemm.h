// The convolutions of a device as matrix products on the fly (implicit GEMM): what the host hands to the kernels.
//
// Rows are the output pixels of one image, columns the output channels, the inner dimension runs over the taps and, for
// each, over chunks of 128 bytes of input channels (gpu_weights.h). A block computes a tile of rows x columns; the
// tiles of up to four phases (the parities of an up-convolution's output) are one launch, longest phase first.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/device.h"
#include "runtime/precision.h"

namespace gpen {

struct ConvGemmPart {  // x, or the feature whose activation is computed on the way
  const void* data = nullptr;
  int64_t batch_stride = 0;
  int pixel_stride = 0;
  int channels = 0;  // rounded up to 16: what is in memory
  int chunks = 0;
};

struct ConvGemmTensor {  // the output and what is added to it: row (y, x) at data + (y * width + x) * pixel_stride
  void* data = nullptr;
  int64_t batch_stride = 0;
  int pixel_stride = 0;
};

struct ConvGemmPhase {
  int out_h = 0, out_w = 0;
  int y_offset = 0,
      x_offset = 0;  // output pixel (i, j) is written to (i * out_step + y_offset, j * out_step + x_offset)
  int first_tap = 0, taps = 0;
  int first_tile = 0;  // along the rows, counted over all phases
};

struct ConvGemmTap {
  int8_t dy, dx;    // added to (i * stride - pad, j * stride - pad)
  uint8_t weights;  // its place in the packed weights
};

// to_rgb of the result in the same kernel (to_rgb.h): a single phase, all output channels in one tile, no splits, no
// residuals.
struct ConvGemmRgb {
  bool wanted = false;   // the other fields hold what to_rgb needs
  bool store_y = true;   // false: nobody else reads y
  ConvGemmPart feature;  // of y's activation; channels 0: none
  const float* feature_bias = nullptr;
  float feature_gain = 1;
  const float* weight = nullptr;  // ToRgbWeights::weight
  const float* style = nullptr;   // [image][channels of y and feature]
  const float* skip = nullptr;    // null: none
  int64_t skip_stride = 0;
  float* rgb = nullptr;
  int64_t rgb_stride = 0;
  float bias[3] = {0, 0, 0};
};

struct ConvGemm {
  static constexpr int kMaxTaps = 49, kMaxPhases = 4;
  ConvGemmPart x, feature;
  const float* in_scale = nullptr;  // [image][channels of x and feature, each rounded up to 16]
  float feature_gain = 1;
  const float* feature_bias = nullptr;
  int in_w = 0;                      // of the tensors
  int logical_h = 0, logical_w = 0;  // after enlargement by 1 << shift
  int shift = 0, stride = 1, pad = 0, reflect = 0;
  const void* weights = nullptr;
  const float* weight_scale = nullptr;
  const float* bias = nullptr;
  int out_channels = 0, out_padded = 0;  // rounded up to 16; rows of the weights
  const float* out_scale = nullptr;      // [image][out_channels]
  float slope = 1, gain = 1, residual_slope = 1, gain2 = 1;
  ConvGemmTensor y, residual, residual2;
  int y_width = 0, out_step = 1;
  int images = 0;
  int splits = 1;            // of the inner dimension: that many blocks share a tile
  float* partial = nullptr;  // [tile][split][rows][columns] when splits > 1
  unsigned* counters = nullptr;
  int phases = 1;
  ConvGemmPhase phase[kMaxPhases];
  ConvGemmTap tap[kMaxTaps];
  ConvGemmRgb rgb;
};

// Tiles that the kernels are compiled for.
enum class ConvTile : uint8_t { m128n128, m128n64, m64n64 };
inline constexpr ConvTile kConvTiles[] = {ConvTile::m128n128, ConvTile::m128n64, ConvTile::m64n64};
struct ConvTileShape {
  const char* name;
  int rows, columns, stages;
  // Shared memory of a block; coefficient_bytes: of the input scales and the feature's bias.
  size_t shared_bytes(size_t coefficient_bytes) const {
    return static_cast<size_t>(stages) * (static_cast<size_t>(rows + columns) * 128 + static_cast<size_t>(rows)) +
           coefficient_bytes;
  }
};
constexpr ConvTileShape shape_of(ConvTile t) {
  constexpr ConvTileShape kShapes[] = {{"128x128", 128, 128, 3}, {"128x64", 128, 64, 3}, {"64x64", 64, 64, 3}};
  return kShapes[static_cast<int>(t)];
}

// How a convolution is computed.
struct ConvPlan {
  ConvTile tile = ConvTile::m64n64;
  int splits = 1;
  bool blur_in_load = false;     // of a blurred convolution: no blurred picture in memory (conv_blurred_kernel.h)
  bool rgb_in_epilogue = false;  // to_rgb of the result in the same kernel, instead of one of its own behind it
  bool operator==(const ConvPlan&) const = default;
};
inline constexpr int kMostSplits = 16;

// Shared memory of a block that blurs: the picture, the blurred picture, three tiles of weights.
struct BlurPatch {
  static constexpr int kRows = 8, kColumns = 16;  // output pixels
  static constexpr int kBlurredRows = 2 * kRows + 1, kBlurredColumns = 2 * kColumns + 1;
  static constexpr int kRawRows = kBlurredRows + 3, kRawColumns = kBlurredColumns + 3;
  static constexpr int kPixelBytes = 64;  // of channels
  static constexpr int kRawBytes = kRawRows * kRawColumns * kPixelBytes;
  static constexpr int kBlurredBytes = kBlurredRows * kBlurredColumns * kPixelBytes;
  static constexpr int kStages = 3;
  static constexpr size_t shared_bytes(int columns, size_t coefficient_bytes) {
    return static_cast<size_t>(kRawBytes + kBlurredBytes + kStages * columns * kPixelBytes) + coefficient_bytes;
  }
};

// What the time of a convolution depends on, for one image: steps are chunks times taps of the longest phase. Does not
// depend on the batch, so an image alone and in a batch gives the same bits.
struct ConvWork {
  int64_t rows[ConvGemm::kMaxPhases] = {};  // output pixels of each phase
  int phases = 1;
  int64_t out_channels = 0;
  int64_t steps = 0;
  int taps = 0;  // of the longest phase
  int stride = 1, shift = 0;
  size_t coefficient_bytes = 0;
  bool blur = false;  // of the input is wanted, and may be computed while it is loaded
  bool rgb = false;   // to_rgb of the result is wanted, and may be computed in the epilogue
  bool operator==(const ConvWork&) const = default;
};
int64_t row_tiles(const ConvWork& work, int rows);  // tiles of so many rows, over all phases

// Code::usage with the reason when a device cannot run the plan.
Status check_plan(const ConvPlan& plan, const ConvWork& work, const DeviceInfo& device);
// Every plan that is worth measuring: each tile that fits, with 1, 2, 4, 8 and 16 splits where there are so many steps,
// and with each fusion that it allows.
std::vector<ConvPlan> candidate_plans(const ConvWork& work, const DeviceInfo& device);
// By a model of the time.
ConvPlan estimate_plan(const ConvWork& work, const DeviceInfo& device);
// What a device's convolutions run with: a forced plan, else the one in the device's table (conv_plans.h), else the
// estimate.
ConvPlan choose_plan(const ConvWork& work, Precision precision, const Device& device);
// Whether to_rgb can be in the epilogue of such a plan: the tile must hold all channels of its pixels.
bool takes_rgb(const ConvWork& work, const ConvPlan& plan);
// Whether such a plan's convolution can blur its input while it is loaded: with 128 rows, which are then 8 x 16 pixels,
// without splits, and where the device's blocks have 92 (64 columns) or 104 KiB (128) of shared memory: sm_75 does not,
// sm_86 and sm_89 have enough for 64 columns.
bool takes_blur(const ConvWork& work, const ConvPlan& plan, const DeviceInfo& device);
// For tests and benchmarks: every convolution from now on with this plan (with fewer splits where there are fewer
// steps, with the smallest tile where a device lacks the shared memory, without fusions that it does not allow);
// nullopt: chosen again. Not for use beside running networks.
void force_conv_plan(std::optional<ConvPlan> plan);

}  // namespace gpen
