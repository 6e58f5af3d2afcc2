// Measured plans of a device's convolutions: a table that choose_plan() looks into before it estimates, and its text.
//
// A text is for one device and one version of the kernels. Its first lines name both, then comes a row for each layer,
// as fields NAME=VALUE separated by spaces, and last `end` with their number, so that a cut file shows:
//     gpen-plans 1
//     device NVIDIA H200
//     capability 90
//     multiprocessors 132
//     kernels 1
//     precision=fp16 rows=1024 channels=512 steps=144 taps=9 stride=1 shift=0 coefficients=6144 tile=64x64 splits=4
//     ms=0.021 end 1
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv_gemm.h"
#include "runtime/workspace.h"

namespace gpen {

// Raised with every change of the kernels that changes which plan is fastest, or what a plan means: tables measured
// before are not used any more.
inline constexpr int kConvKernels = 1;

struct ConvPlanRow {
  Precision precision = Precision::fp32;
  ConvWork work;
  ConvPlan plan;
  double ms = 0;  // measured, of one image
};

// What a convolution writes, of the first image, in the device's memory; it may be its input as well.
struct ConvOutput {
  void* data;
  ElementType type;
  int64_t pixels, pixel_stride, channels;  // elements
  size_t bytes() const { return static_cast<size_t>(((pixels - 1) * pixel_stride + channels) * size_of(type)); }
};
inline ConvOutput output_of(const TensorView& t) {
  if (t.layout == Layout::nhwc) return {t.data, t.type, t.plane(), t.pixel_stride, t.blocks() * kBlock};
  return {t.data, t.type, 1, t.image_size(), t.image_size()};
}

// A convolution that is about to run, with the blur before it and to_rgb behind it where a plan may fuse them, for who
// wants to try other plans first (conv_tune.h).
struct ConvLaunch {
  Exec& exec;  // that it will run in
  const ConvWork& work;
  Precision precision;
  ConvPlan plan;   // that it will run with
  int64_t images;  // of the batch
  std::vector<ConvOutput> outputs;
  std::function<void(Exec&, const ConvPlan&)> compute;  // takes scratch memory; for Exec::dry() too
};

struct ConvPlans {
  std::vector<ConvPlanRow> rows;
  // Called before each convolution that is not being recorded, when set.
  std::function<void(const ConvLaunch&)> trial;

  const ConvPlan* find(Precision precision, const ConvWork& work) const;  // null: not measured
  void set(const ConvPlanRow& row);                                       // in place of the one for the same layer
};

inline bool wants_trial(const Exec& exec) {
  return !exec.dry() && exec.device->conv_plans() != nullptr && exec.device->conv_plans()->trial != nullptr;
}

std::string to_text(const ConvPlans& plans, const DeviceInfo& device);
// Code::usage with the reason, and the line where there is one, when it is not a table for this device and these
// kernels, or when the device could not run a row.
Result<ConvPlans> parse_conv_plans(std::string_view text, const DeviceInfo& device);
// The rows of those texts that are for this device and these kernels; a text may begin with an empty line.
ConvPlans conv_plans_for(const DeviceInfo& device, std::span<const char* const> texts);
std::span<const char* const> builtin_conv_plans();  // the texts of conv_plans.inc

std::string describe(const ConvWork& work);  // "4 x 65x..": for tables that people read
std::string describe(const ConvPlan& plan);  // "128x64 in 4"

}  // namespace gpen
