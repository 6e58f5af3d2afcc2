// Measured plans of a device's convolutions: a table that choose_plan() looks into before it estimates, and its text.
//
// A text is for one device and one version of the kernels. Its first lines name both, then comes a row for each layer,
// as fields NAME=VALUE separated by spaces, and last `end` with their number, so that a cut file shows:
//     gpen-plans 1
//     device NVIDIA H200
//     capability 90
//     multiprocessors 132
//     kernels 1
//     precision=fp16 rows=1024 channels=512 steps=144 taps=9 stride=1 shift=0 coefficients=6144 blur=0 rgb=0 tile=64x64
//     splits=4 fused=0 ms=0.021 end 1
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv_gemm.h"

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

// A convolution that is about to run, for who wants to try other plans first (conv_tune.h).
struct ConvLaunch {
  const ConvWork& work;
  Precision precision;
  ConvPlan plan;   // that it will run with
  int64_t images;  // of the batch
  struct Output {  // in the device's memory; may be the convolution's input as well
    void* data;
    ElementType type;
    int64_t pixels;    // of the first image
    int pixel_stride;  // elements between two pixels
    int channels;
  } output;
  // The layer on all images, with what its plan does by the way or apart. scratch: so many floats.
  std::function<void(const ConvPlan&, float* scratch)> run;
  std::function<size_t(const ConvPlan&)> scratch_floats;
};

struct ConvPlans {
  std::vector<ConvPlanRow> rows;
  // Called before each convolution that is not being recorded, when set.
  std::function<void(const ConvLaunch&)> trial;

  const ConvPlan* find(Precision precision, const ConvWork& work) const;  // null: not measured
  void set(const ConvPlanRow& row);                                       // in place of the one for the same layer
};

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
