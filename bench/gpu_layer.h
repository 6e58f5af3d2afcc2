// One convolution of a problem on a device, as GPEN runs it there: blur, modulation, demodulation, bias and activation
// included. The stem's tensor is read from memory, as a device's networks do.
#pragma once
#include "bench/check.h"
#include "kernels/conv_gemm.h"
#include "kernels/to_rgb.h"
#include "runtime/parameters.h"

namespace gpen::bench {

// `t` (blocked, f32) as a device stores it: nhwc, channels rounded up to 16, elements of the type.
std::vector<uint8_t> device_elements(const TensorView& t, ElementType type, ThreadPool& pool);
// An image back: `from` as above, `to` blocked.
void from_device_elements(const std::vector<uint8_t>& from, ElementType type, TensorView to, ThreadPool& pool);

// What sampled_error() may be on a device: error_limit() in fp32, 16 units of rounding in the other precisions
// (products are summed in fp32, every factor and the result are rounded; fp16-fast also rounds sums of 32 products).
double device_error_limit(const Problem& p, Precision precision);

class GpuLayer {
 public:
  // data: without a stem. Every image of the batch is the same. Code::memory; Code::device when the device cannot do
  // the precision. Refers to `data` and `pool`.
  static Result<GpuLayer> make(LayerData& data, std::shared_ptr<Device> device, Precision precision, int64_t batch,
                               ThreadPool& pool);
  // Takes the scratch memory of the plan in force; needed after every force_conv_plan(). Code::memory.
  Status plan();
  void run();  // on the device's stream
  // Runs into a poisoned output: the sampled error of the first image; infinite when an image of the batch differs from
  // it. The error of the device when there is one.
  Result<double> error(const std::vector<Sample>& samples);
  // With to_rgb of the result from the next plan() on, as behind a conv2 of the decoder: the activation's second half
  // is the layer's own feature. only_rgb: the result itself is not needed. Code::usage for another kind of layer.
  Status add_rgb(bool only_rgb);
  // Runs, and gives to_rgb's planes of the first image.
  Result<std::vector<float>> rgb();
  // What choose_plan() is given for this layer.
  ConvWork work() const;

 private:
  void forward();
  LayerData* data_ = nullptr;
  ThreadPool* pool_ = nullptr;
  std::shared_ptr<Device> device_;
  Precision precision_ = Precision::fp32;
  Conv2dWeights conv_;
  UpConv2dWeights up_;
  DeviceBuffer x_, feature_, y_, poison_;
  ParameterVector in_scale_, out_scale_, feature_bias_;
  ConvInput in_;
  ConvEpilogue epilogue_;
  TensorView out_;
  std::unique_ptr<Workspace> ws_;
  struct Rgb {
    ToRgbWeights weights;
    DeviceBuffer skip, planes;
    RgbOutput output;
  };
  std::unique_ptr<Rgb> rgb_;
};

}  // namespace gpen::bench
