#include "bench/peer_cudnn.h"

#include <cudnn.h>

#include <algorithm>

#include "bench/gpu_layer.h"
#include "runtime/element.h"

namespace gpen::bench {

namespace {

constexpr size_t kWorkspace = size_t{512} << 20;  // that its algorithms may use

Status error_of(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return Status();
  return fail(status == CUDNN_STATUS_ALLOC_FAILED ? Code::memory : Code::device, call, ": ",
              cudnnGetErrorString(status));
}
#define GPEN_CUDNN(call) GPEN_RETURN_IF_ERROR(error_of((call), #call))

cudnnDataType_t type_of(Precision p) {
  switch (storage_of(p)) {
    case ElementType::f16:
      return CUDNN_DATA_HALF;
    case ElementType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}

// fp32 without tensor cores; tf32 is what cuDNN does with floats by default.
cudnnMathType_t math_of(Precision p) {
  return p == Precision::fp32 ? CUDNN_FMA_MATH : p == Precision::tf32 ? CUDNN_DEFAULT_MATH : CUDNN_TENSOR_OP_MATH;
}

const char* forward_name(int a) {
  constexpr const char* kNames[] = {"implicit gemm", "implicit precomp gemm", "gemm", "direct", "fft", "fft tiling",
                                    "winograd",      "winograd nonfused"};
  return a >= 0 && a < static_cast<int>(std::size(kNames)) ? kNames[a] : "?";
}
const char* backward_name(int a) {
  constexpr const char* kNames[] = {"dgrad 0", "dgrad 1", "fft", "fft tiling", "winograd", "winograd nonfused"};
  return a >= 0 && a < static_cast<int>(std::size(kNames)) ? kNames[a] : "?";
}

// Values in any order as a blocked tensor of one image has them, so that device_elements() can convert them:
// [outer][inner] of value(outer, inner), `inner` a multiple of 16 as all channels of the networks are.
template <class Value>
std::vector<uint8_t> elements(int64_t outer, int64_t inner, ElementType type, ThreadPool& pool, Value value) {
  std::vector<float> blocked(static_cast<size_t>(outer * inner));
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t c = 0; c < inner; ++c)
      blocked[static_cast<size_t>((c / kBlock * outer + i) * kBlock + c % kBlock)] = value(i, c);
  return device_elements(make_view(blocked.data(), 1, inner, outer, 1, Layout::nchw16c), type, pool);
}

// The fastest algorithm that ran, fits, and keeps to the precision.
template <class Performance>
Result<Performance> choose(const std::vector<Performance>& found, int count, Precision precision) {
  for (int i = 0; i < count; ++i) {
    const Performance& f = found[static_cast<size_t>(i)];
    if (f.status != CUDNN_STATUS_SUCCESS || f.memory > kWorkspace) continue;
    if (precision == Precision::fp32 && f.mathType != CUDNN_FMA_MATH) continue;
    return f;
  }
  return fail(Code::device, "cuDNN has no algorithm for this in ", name_of(precision));
}

}  // namespace

struct CudnnLayer::Impl {
  std::shared_ptr<Device> device;
  bool transposed = false;
  ElementType type = ElementType::f32;
  cudnnHandle_t handle = nullptr;
  cudnnTensorDescriptor_t in = nullptr, out = nullptr;
  cudnnFilterDescriptor_t filter = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  cudnnConvolutionFwdAlgo_t forward{};
  cudnnConvolutionBwdDataAlgo_t backward{};
  std::string algorithm;
  int64_t out_values = 0;  // of one image
  DeviceBuffer x, weight, y, workspace;

  ~Impl() {
    if (device != nullptr) device->wait();
    if (convolution != nullptr) (void)cudnnDestroyConvolutionDescriptor(convolution);
    if (filter != nullptr) (void)cudnnDestroyFilterDescriptor(filter);
    if (out != nullptr) (void)cudnnDestroyTensorDescriptor(out);
    if (in != nullptr) (void)cudnnDestroyTensorDescriptor(in);
    if (handle != nullptr) (void)cudnnDestroy(handle);
  }

  Status describe(const Problem& p, Precision precision, int64_t batch) {
    const auto n = static_cast<int>(batch), channels = static_cast<int>(p.in), outs = static_cast<int>(p.out);
    const auto side = static_cast<int>(bare_in_side(p)), out_side = static_cast<int>(bare_out_side(p));
    const int stride = p.kind == Kind::conv ? 1 : 2, pad = p.kind == Kind::conv ? 1 : 0;
    const cudnnDataType_t data = type_of(precision);
    GPEN_CUDNN(cudnnCreate(&handle));
    GPEN_CUDNN(cudnnSetStream(handle, static_cast<cudaStream_t>(device->native_stream())));
    GPEN_CUDNN(cudnnCreateTensorDescriptor(&in));
    GPEN_CUDNN(cudnnCreateTensorDescriptor(&out));
    GPEN_CUDNN(cudnnCreateFilterDescriptor(&filter));
    GPEN_CUDNN(cudnnCreateConvolutionDescriptor(&convolution));
    GPEN_CUDNN(cudnnSetTensor4dDescriptor(in, CUDNN_TENSOR_NHWC, data, n, channels, side, side));
    GPEN_CUDNN(cudnnSetTensor4dDescriptor(out, CUDNN_TENSOR_NHWC, data, n, outs, out_side, out_side));
    // A transposed convolution is the gradient by the input of one from `out` to `in`.
    GPEN_CUDNN(cudnnSetFilter4dDescriptor(filter, data, CUDNN_TENSOR_NHWC, transposed ? channels : outs,
                                          transposed ? outs : channels, 3, 3));
    GPEN_CUDNN(cudnnSetConvolution2dDescriptor(convolution, pad, pad, stride, stride, 1, 1, CUDNN_CROSS_CORRELATION,
                                               CUDNN_DATA_FLOAT));
    GPEN_CUDNN(cudnnSetConvolutionMathType(convolution, math_of(precision)));
    return Status();
  }

  Status fill(const Problem& p, const std::vector<float>& weights, const std::vector<float>& planar, int64_t batch,
              ThreadPool& pool) {
    const int64_t side = bare_in_side(p), plane = side * side;
    const std::vector<uint8_t> image = elements(plane, p.in, type, pool, [&](int64_t pixel, int64_t c) {
      return planar[static_cast<size_t>(c * plane + pixel)];
    });
    GPEN_ASSIGN(x, DeviceBuffer::make(device, image.size() * static_cast<size_t>(batch)));
    for (int64_t i = 0; i < batch; ++i)
      device->upload(static_cast<uint8_t*>(x.data()) + static_cast<size_t>(i) * image.size(), image.data(),
                     image.size());
    // [filter's outputs][3][3][filter's inputs]
    const int64_t rows = transposed ? p.in : p.out, columns = transposed ? p.out : p.in;
    const std::vector<uint8_t> packed = elements(rows * 9, columns, type, pool, [&](int64_t row, int64_t c) {
      const int64_t o = transposed ? c : row / 9, i = transposed ? row / 9 : c;
      return weights[static_cast<size_t>((o * p.in + i) * 9 + row % 9)];
    });
    GPEN_ASSIGN(weight, DeviceBuffer::copy_of(device, packed.data(), packed.size()));
    out_values = p.out * bare_out_side(p) * bare_out_side(p);
    const auto out_bytes = static_cast<size_t>(out_values * batch * size_of(type));
    GPEN_ASSIGN(y, DeviceBuffer::copy_of(device, std::vector<uint8_t>(out_bytes, 0xff).data(), out_bytes));
    GPEN_ASSIGN(workspace, DeviceBuffer::make(device, kWorkspace));
    return device->finish();
  }

  Status find(Precision precision) {
    int count = 0;
    if (transposed) {
      std::vector<cudnnConvolutionBwdDataAlgoPerf_t> found(16);
      GPEN_CUDNN(cudnnFindConvolutionBackwardDataAlgorithmEx(handle, filter, weight.data(), in, x.data(), convolution,
                                                             out, y.data(), static_cast<int>(found.size()), &count,
                                                             found.data(), workspace.data(), kWorkspace));
      GPEN_ASSIGN(const auto best, choose(found, count, precision));
      backward = best.algo;
      algorithm = backward_name(best.algo);
      GPEN_CUDNN(cudnnSetConvolutionMathType(convolution, best.mathType));
    } else {
      std::vector<cudnnConvolutionFwdAlgoPerf_t> found(16);
      GPEN_CUDNN(cudnnFindConvolutionForwardAlgorithmEx(handle, in, x.data(), filter, weight.data(), convolution, out,
                                                        y.data(), static_cast<int>(found.size()), &count, found.data(),
                                                        workspace.data(), kWorkspace));
      GPEN_ASSIGN(const auto best, choose(found, count, precision));
      forward = best.algo;
      algorithm = forward_name(best.algo);
      GPEN_CUDNN(cudnnSetConvolutionMathType(convolution, best.mathType));
    }
    return device->finish();
  }
};

CudnnLayer::CudnnLayer() : impl_(std::make_unique<Impl>()) {}
CudnnLayer::CudnnLayer(CudnnLayer&&) noexcept = default;
CudnnLayer& CudnnLayer::operator=(CudnnLayer&&) noexcept = default;
CudnnLayer::~CudnnLayer() = default;

Result<CudnnLayer> CudnnLayer::make(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x,
                                    std::shared_ptr<Device> device, Precision precision, int64_t batch,
                                    ThreadPool& pool) {
  if (p.in % kBlock != 0 || p.out % kBlock != 0)
    return fail(Code::usage, p.name, ": channels are a multiple of ", kBlock, " for this comparison");
  CudnnLayer layer;
  Impl& l = *layer.impl_;
  l.device = std::move(device);
  l.transposed = p.kind == Kind::up;
  l.type = storage_of(precision);
  GPEN_RETURN_IF_ERROR(l.describe(p, precision, batch));
  GPEN_RETURN_IF_ERROR(l.fill(p, weight, x, batch, pool));
  GPEN_RETURN_IF_ERROR(l.find(precision));
  return layer;
}

void CudnnLayer::run() {
  Impl& l = *impl_;
  const float one = 1, zero = 0;
  const cudnnStatus_t status =
      l.transposed
          ? cudnnConvolutionBackwardData(l.handle, &one, l.filter, l.weight.data(), l.in, l.x.data(), l.convolution,
                                         l.backward, l.workspace.data(), kWorkspace, &zero, l.out, l.y.data())
          : cudnnConvolutionForward(l.handle, &one, l.in, l.x.data(), l.filter, l.weight.data(), l.convolution,
                                    l.forward, l.workspace.data(), kWorkspace, &zero, l.out, l.y.data());
  if (Status s = error_of(status, "cudnnConvolution"); !s.ok()) l.device->note_error(std::move(s));
}

std::vector<float> CudnnLayer::first_image() const {
  const Impl& l = *impl_;
  std::vector<uint8_t> bytes(static_cast<size_t>(l.out_values * size_of(l.type)));
  l.device->download(bytes.data(), l.y.data(), bytes.size());
  std::vector<float> values(static_cast<size_t>(l.out_values));
  for (int64_t i = 0; i < l.out_values; ++i) values[static_cast<size_t>(i)] = element_at(bytes.data(), i, l.type);
  return values;
}

const std::string& CudnnLayer::algorithm() const { return impl_->algorithm; }

std::string cudnn_version() {
  const size_t v = cudnnGetVersion();
  return concat("cuDNN ", v / 10000, ".", v % 10000 / 100, ".", v % 100);
}

}  // namespace gpen::bench
