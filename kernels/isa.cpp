#include "kernels/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace gpen {

namespace {

bool supported(const IsaKernels* k) {
  if (k == nullptr) return false;
#if defined(__x86_64__)
  if (k == isa_avx512_bf16()) return supported(isa_avx512()) && __builtin_cpu_supports("avx512bf16");
  if (k == isa_avx512())
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
  if (k == isa_avx2()) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return true;
}

constexpr int kCandidates = 4;

// Best first; the last always fits.
const IsaKernels* const* candidates() {
  static const IsaKernels* const list[kCandidates] = {isa_avx512_bf16(), isa_avx512(), isa_avx2(), isa_generic()};
  return list;
}

std::vector<const IsaKernels*>& registered() {
  static std::vector<const IsaKernels*> list;
  return list;
}

const IsaKernels* by_name(const std::string& name) {
  for (int i = 0; i < kCandidates; ++i)
    if (supported(candidates()[i]) && name == candidates()[i]->name) return candidates()[i];
  for (const IsaKernels* k : registered())
    if (name == k->name) return k;
  return nullptr;
}

const IsaKernels* choose() {
  if (const char* forced = std::getenv("GPEN_ISA"); forced != nullptr && *forced != '\0')
    if (const IsaKernels* k = by_name(forced)) return k;
  for (int i = 0; i + 1 < kCandidates; ++i)
    if (supported(candidates()[i])) return candidates()[i];
  return isa_generic();
}

std::atomic<const IsaKernels*> current{nullptr};

}  // namespace

const IsaKernels& isa_kernels() {
  const IsaKernels* k = current.load(std::memory_order_acquire);
  if (k == nullptr) {
    k = choose();
    current.store(k, std::memory_order_release);
  }
  return *k;
}

const char* isa_name() { return isa_kernels().name; }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int i = 0; i < kCandidates; ++i)
    if (supported(candidates()[i])) names.push_back(candidates()[i]->name);
  for (const IsaKernels* k : registered()) names.push_back(k->name);
  return names;
}

void register_isa(const IsaKernels* kernels) {
  std::vector<const IsaKernels*>& list = registered();
  if (std::find(list.begin(), list.end(), kernels) == list.end()) list.push_back(kernels);
}

Status check_isa() {
  const char* forced = std::getenv("GPEN_ISA");
  if (forced == nullptr || *forced == '\0' || by_name(forced) != nullptr) return Status();
  std::string have;
  for (const auto& n : available_isas()) have += (have.empty() ? "" : ", ") + n;
  return fail(Code::device, "GPEN_ISA=", forced, ": this machine and build offer ", have);
}

Status force_isa(const std::string& name) {
  const IsaKernels* k = by_name(name);
  if (k == nullptr) return fail(Code::device, "instruction set ", name, " is not available here");
  current.store(k, std::memory_order_release);
  return Status();
}

}  // namespace gpen
