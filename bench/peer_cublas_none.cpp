// Stands in for peer_cublas.cpp in a build without cuBLAS.
#include "bench/peer_cublas.h"

namespace gpen::bench {

struct CublasGemm::Impl {};
CublasGemm::CublasGemm() = default;
CublasGemm::CublasGemm(CublasGemm&&) noexcept = default;
CublasGemm& CublasGemm::operator=(CublasGemm&&) noexcept = default;
CublasGemm::~CublasGemm() = default;

std::string cublas_version() { return ""; }

namespace {
Status none() { return fail(Code::device, "this build has no cuBLAS"); }
}  // namespace

Result<CublasGemm> CublasGemm::make(std::shared_ptr<Device>, Precision, int64_t, int64_t, int64_t) { return none(); }
void CublasGemm::run() {}
Status CublasGemm::check() { return none(); }
size_t CublasGemm::bytes(Precision, int64_t, int64_t, int64_t) { return 0; }
Result<double> cublas_rate(std::shared_ptr<Device>, Precision) { return none(); }

}  // namespace gpen::bench
