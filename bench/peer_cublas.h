// cuBLAS's matrix product: the rate of the matrix units that this project's convolutions are compared with, and a peer
// for single layers. Without cuBLAS (peer_cublas_none.cpp) everything here is Code::device. The product does not link
// it.
#pragma once
#include <memory>

#include "runtime/device.h"
#include "runtime/precision.h"

namespace gpen::bench {

// "cuBLAS 13.0.2"; empty without it.
std::string cublas_version();

// C (m x n) = A (m x k, row by row) B^T (B: n x k, row by row) on random values in [-1, 1], in the types of the
// precision (fp16-fast as fp16: cuBLAS sums in fp32); C has the type of A and B.
class CublasGemm {
 public:
  static Result<CublasGemm> make(std::shared_ptr<Device> device, Precision precision, int64_t m, int64_t n, int64_t k);
  CublasGemm(CublasGemm&&) noexcept;
  CublasGemm& operator=(CublasGemm&&) noexcept;
  ~CublasGemm();
  void run();  // on the device's stream; errors are noted in the device
  // Runs, and compares some values with double precision: Code::internal when one is wrong.
  Status check();
  // Bytes that it needs on the device.
  static size_t bytes(Precision precision, int64_t m, int64_t n, int64_t k);

 private:
  struct Impl;
  CublasGemm();
  std::unique_ptr<Impl> impl_;
};

// Floating-point operations per second of the product of two 8192 x 8192 matrices, the best of ten.
Result<double> cublas_rate(std::shared_ptr<Device> device, Precision precision);

}  // namespace gpen::bench
