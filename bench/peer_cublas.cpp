#include "bench/peer_cublas.h"

#include <cublas_v2.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/gpu_layer.h"
#include "bench/gpu_timer.h"
#include "runtime/bfloat16.h"
#include "runtime/element.h"
#include "runtime/float16.h"

namespace gpen::bench {

namespace {

// Random values in [-1, 1], repeated to fill a matrix: a prime, so that rows do not repeat. Zeros would be faster.
constexpr int64_t kValues = 1048573, kShift = 500009;

struct Types {
  cudaDataType_t data;
  cublasComputeType_t compute;
};
Types types_of(Precision p) {
  if (p == Precision::fp32) return {CUDA_R_32F, CUBLAS_COMPUTE_32F};
  if (p == Precision::tf32) return {CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
  return {p == Precision::bf16 ? CUDA_R_16BF : CUDA_R_16F, CUBLAS_COMPUTE_32F};
}

Status error_of(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return Status();
  return fail(status == CUBLAS_STATUS_ALLOC_FAILED ? Code::memory : Code::device, call, ": ",
              cublasGetStatusString(status));
}

// kValues elements of the type.
std::vector<uint8_t> random_elements(ElementType type) {
  const auto size = static_cast<size_t>(size_of(type));
  std::vector<uint8_t> bytes(static_cast<size_t>(kValues) * size);
  uint64_t state = 1;
  for (size_t i = 0; i < static_cast<size_t>(kValues); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto value = static_cast<float>(static_cast<double>(state >> 40) * 0x1p-23 - 1);
    if (type == ElementType::f32) {
      std::memcpy(bytes.data() + i * size, &value, size);
    } else {
      const uint16_t bits = type == ElementType::f16 ? float_to_half(value) : float_to_bfloat16(value);
      std::memcpy(bytes.data() + i * size, &bits, size);
    }
  }
  return bytes;
}

// Element i is values[(i + shift) % kValues].
Result<DeviceBuffer> filled(std::shared_ptr<Device> device, const std::vector<uint8_t>& values, ElementType type,
                            int64_t count, int64_t shift) {
  const auto size = static_cast<size_t>(size_of(type));
  GPEN_ASSIGN(DeviceBuffer all, DeviceBuffer::make(device, static_cast<size_t>(count) * size));
  std::vector<uint8_t> shifted(values.begin() + static_cast<std::ptrdiff_t>(shift * size_of(type)), values.end());
  shifted.insert(shifted.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(shift * size_of(type)));
  auto* to = static_cast<uint8_t*>(all.data());
  device->upload(to, shifted.data(), static_cast<size_t>(std::min(count, kValues)) * size);
  for (int64_t done = kValues; done < count; done += kValues)
    device->copy(to + static_cast<size_t>(done) * size, to,
                 static_cast<size_t>(std::min(kValues, count - done)) * size);
  GPEN_RETURN_IF_ERROR(device->finish());
  return all;
}

}  // namespace

struct CublasGemm::Impl {
  std::shared_ptr<Device> device;
  cublasHandle_t handle = nullptr;
  Precision precision = Precision::fp32;
  int64_t m = 0, n = 0, k = 0;
  std::vector<uint8_t> values;
  DeviceBuffer a, b, c;
  ~Impl() {
    if (handle == nullptr) return;
    device->wait();
    (void)cublasDestroy(handle);
  }
};

CublasGemm::CublasGemm() : impl_(std::make_unique<Impl>()) {}
CublasGemm::CublasGemm(CublasGemm&&) noexcept = default;
CublasGemm& CublasGemm::operator=(CublasGemm&&) noexcept = default;
CublasGemm::~CublasGemm() = default;

std::string cublas_version() {
  int part[3] = {};
  const libraryPropertyType kParts[] = {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
  for (int i = 0; i < 3; ++i)
    if (cublasGetProperty(kParts[i], &part[i]) != CUBLAS_STATUS_SUCCESS) return "cuBLAS";
  return concat("cuBLAS ", part[0], ".", part[1], ".", part[2]);
}

size_t CublasGemm::bytes(Precision precision, int64_t m, int64_t n, int64_t k) {
  return static_cast<size_t>((m * k + n * k + m * n) * size_of(storage_of(precision)));
}

Result<CublasGemm> CublasGemm::make(std::shared_ptr<Device> device, Precision precision, int64_t m, int64_t n,
                                    int64_t k) {
  const ElementType type = storage_of(precision);
  CublasGemm gemm;
  Impl& g = *gemm.impl_;
  g.device = device;
  g.precision = precision;
  g.m = m;
  g.n = n;
  g.k = k;
  g.values = random_elements(type);
  GPEN_ASSIGN(g.a, filled(device, g.values, type, m * k, 0));
  GPEN_ASSIGN(g.b, filled(device, g.values, type, n * k, kShift));
  GPEN_ASSIGN(g.c, DeviceBuffer::make(device, static_cast<size_t>(m * n * size_of(type))));
  const auto stream = static_cast<cudaStream_t>(device->native_stream());  // and makes it the current device
  GPEN_RETURN_IF_ERROR(error_of(cublasCreate(&g.handle), "cublasCreate"));
  GPEN_RETURN_IF_ERROR(error_of(cublasSetStream(g.handle, stream), "cublasSetStream"));
  return gemm;
}

// cuBLAS counts column by column: C^T (n x m) = B A^T, with B's and A's rows as columns.
void CublasGemm::run() {
  Impl& g = *impl_;
  const auto [data, compute] = types_of(g.precision);
  const float one = 1, zero = 0;
  const auto m = static_cast<int>(g.m), n = static_cast<int>(g.n), k = static_cast<int>(g.k);
  Status status = error_of(cublasGemmEx(g.handle, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, g.b.data(), data, k,
                                        g.a.data(), data, k, &zero, g.c.data(), data, n, compute, CUBLAS_GEMM_DEFAULT),
                           "cublasGemmEx");
  if (!status.ok()) g.device->note_error(std::move(status));
}

Status CublasGemm::check() {
  Impl& g = *impl_;
  const ElementType type = storage_of(g.precision);
  const auto value = [&](int64_t i) { return static_cast<double>(element_at(g.values.data(), i % kValues, type)); };
  run();
  // The sum of k products of two values in [-1, 1]: its size is about sqrt(k) / 3.
  const double size = std::sqrt(static_cast<double>(g.k)) / 3;
  const double unit = g.precision == Precision::fp32 ? 0x1p-17 : g.precision == Precision::bf16 ? 0x1p-8 : 0x1p-11;
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t row = i * (g.m - 1) / 15, column = (i * 7 % 16) * (g.n - 1) / 15;
    double sum = 0;
    for (int64_t j = 0; j < g.k; ++j) sum += value(row * g.k + j) * value(column * g.k + j + kShift);
    uint8_t bytes[4] = {};
    const auto at = static_cast<size_t>((row * g.n + column) * size_of(type));
    g.device->download(bytes, static_cast<uint8_t*>(g.c.data()) + at, static_cast<size_t>(size_of(type)));
    GPEN_RETURN_IF_ERROR(g.device->finish());
    const double got = static_cast<double>(element_at(bytes, 0, type));
    if (!(std::abs(got - sum) <= 8 * unit * size))
      return fail(Code::internal, "cuBLAS in ", name_of(g.precision), ": C[", row, ",", column, "] is ", got,
                  ", expected ", sum);
  }
  return Status();
}

Result<double> cublas_rate(std::shared_ptr<Device> device, Precision precision) {
  constexpr int64_t kSide = 8192;
  GPEN_ASSIGN(CublasGemm gemm, CublasGemm::make(device, precision, kSide, kSide, kSide));
  GPEN_RETURN_IF_ERROR(gemm.check());
  GPEN_ASSIGN(DeviceTimer timer, DeviceTimer::make(device, false));
  GPEN_ASSIGN(const Times times, times_of(
                                     timer, [&] { gemm.run(); }, precision == Precision::fp32 ? 3 : 10));
  return 2e3 * static_cast<double>(kSide * kSide * kSide) / times.min_ms;
}

}  // namespace gpen::bench
