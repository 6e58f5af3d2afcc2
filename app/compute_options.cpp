#include "app/compute_options.h"

#include <algorithm>
#include <cstdio>

namespace gpen::app {
namespace {

// The library's "device X: ..." in the words of the command line.
Status in_options(const Status& status, const std::string& device, bool cpu_can) {
  if (status.message().rfind("device ", 0) != 0 && status.message().rfind("precision ", 0) != 0) return status;
  const bool has_way_out =
      cpu_can && status.code() == Code::device && status.message().rfind("device " + device, 0) == 0;
  return fail(status.code(), "--", status.message(), has_way_out ? "; use --device cpu" : "");
}

}  // namespace

void ComputeOptions::add_to(CLI::App* sub) {
  sub->add_option("--device", device,
                  needs_device ? "cuda (default), cuda:N"
                               : "cpu, cuda, cuda:N; cuda:0,cuda:1 shares the photos of `restore` among devices\n"
                                 "(default auto: a CUDA device if one can be used, else the CPU)")
      ->group("Computing");
  sub->add_option("--precision", precision,
                  "fp32 (default); on the CPU also bf16: a GPEN's decoder, its weights in half the memory;\n"
                  "on a device tf32, bf16, fp16, fp16-fast: every network but the detector, which stays in fp32")
      ->transform([](std::string name) {
        std::replace(name.begin(), name.end(), '_', '-');
        return name;
      })
      ->group("Computing");
  sub->add_option("-j,--threads", threads, "Threads (default: all that this process may use)")
      ->check(CLI::Range(1, 1024))
      ->group("Computing");
}

Status ComputeOptions::check() const { return in_options(gpen::check(choice()), choice().device, !needs_device); }

Result<std::vector<Processor>> ComputeOptions::processors(size_t most) const {
  std::vector<std::string> notes;
  Result<std::vector<Processor>> opened = open_processors(choice(), most, &notes);
  for (const std::string& note : notes) std::fprintf(stderr, "gpen: warning: %s\n", note.c_str());
  if (!opened.ok()) return in_options(opened.status(), choice().device, !needs_device);
  return opened;
}

Result<Processor> ComputeOptions::processor() const {
  const Result<std::vector<int>> named = cuda_devices_of(choice());
  if (!named.ok()) return in_options(named.status(), choice().device, !needs_device);
  if (named->size() > 1)
    return fail(Code::usage, "--device ", device, ": only `gpen restore` computes on several devices; name one");
  GPEN_ASSIGN(const std::vector<Processor> all, processors(1));
  return all.front();
}

Status ComputeOptions::check_fp32(const std::string& what) const {
  if (precision == name_of(Precision::fp32)) return {};
  return fail(Code::usage, "--precision ", precision, ": ", what, " computes in fp32 only");
}

Status ComputeOptions::check_precision(const Architecture& arch, const Processor& where) const {
  if (std::holds_alternative<GpenArch>(arch)) return {};
  if (where.device != nullptr && !std::holds_alternative<RetinaFaceArch>(arch)) return {};
  return check_fp32(gpen::describe(arch));
}

}  // namespace gpen::app
