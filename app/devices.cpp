// gpen devices: what this machine can compute with.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/json_output.h"
#include "kernels/isa.h"

namespace gpen::app {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  }
  utsname machine{};
  return uname(&machine) == 0 ? machine.machine : "unknown";
}

Status print_devices(bool json) {
  GPEN_RETURN_IF_ERROR(check_isa());
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  const long long memory_mb = static_cast<long long>(pages) * page / (1 << 20);
  const CudaDriver cuda = probe_cuda_driver();
  if (json) {
    return write_json({{"cpu",
                        {{"model", cpu_model()},
                         {"isa", isa_name()},
                         {"available_isas", available_isas()},
                         {"cores", hardware_threads()},
                         {"memory_mb", memory_mb},
                         {"precisions", {"fp32", "bf16"}}}},
                       {"cuda",
                        {{"backend", false},
                         {"driver", cuda.library},
                         {"usable", cuda.usable},
                         {"devices", cuda.names},
                         {"reason", cuda.reason}}}},
                      "-");
  }
  std::string others;
  for (const std::string& isa : available_isas()) others += (others.empty() ? "" : ", ") + isa;
  std::printf("cpu      %s\n", cpu_model().c_str());
  std::printf("isa      %s (can run: %s; GPEN_ISA chooses)\n", isa_name(), others.c_str());
  std::printf("cores    %d\n", hardware_threads());
  std::printf("memory   %lld MB\n", memory_mb);
  if (!cuda.usable) {
    std::printf("cuda     not usable: %s\n", cuda.reason.c_str());
  } else {
    for (size_t i = 0; i < cuda.names.size(); ++i) std::printf("cuda:%zu   %s\n", i, cuda.names[i].c_str());
  }
  std::printf("backends cpu (fp32, bf16); this build has no CUDA backend\n");
  return {};
}

}  // namespace

void add_devices(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("devices", "What this machine can compute with");
  auto json = std::make_shared<bool>(false);
  sub->add_flag("--json", *json, "Print JSON");
  on_chosen(sub, action, [json] { return print_devices(*json); });
}

}  // namespace gpen::app
