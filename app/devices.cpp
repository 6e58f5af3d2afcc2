// gpen devices: what this machine can compute with.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/json_output.h"
#include "kernels/isa.h"
#include "runtime/gpu/cuda_device.h"
#include "runtime/limits.h"

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

struct CudaDevices {
  std::vector<DeviceInfo> devices;
  std::string reason;  // why none of them is usable
};

CudaDevices cuda_devices() {
  CudaDevices cuda;
  Result<std::vector<DeviceInfo>> listed = list_cuda_devices();
  if (!listed.ok()) {
    cuda.reason = listed.status().message();
    return cuda;
  }
  cuda.devices = *std::move(listed);
  for (const DeviceInfo& info : cuda.devices) {
    if (!precisions_of(info).empty()) return cuda;
  }
  cuda.reason = "no device is new enough";
  return cuda;
}

Json to_json(const DeviceInfo& info) {
  Json precisions = Json::array();
  for (const Precision p : precisions_of(info)) precisions.push_back(name_of(p));
  return {{"name", info.name},
          {"model", info.model},
          {"sm", info.capability},
          {"multiprocessors", info.multiprocessors},
          {"memory_mb", info.memory_bytes >> 20},
          {"usable", !precisions.empty()},
          {"precisions", precisions}};
}

Json to_json(const CudaDevices& cuda) {
  Json devices = Json::array();
  for (const DeviceInfo& info : cuda.devices) devices.push_back(to_json(info));
  return {
      {"backend", has_cuda_backend()}, {"usable", cuda.reason.empty()}, {"devices", devices}, {"reason", cuda.reason}};
}

void print(const DeviceInfo& info) {
  const std::vector<Precision> precisions = precisions_of(info);
  std::printf("%-8s %s (sm_%d, %d multiprocessors, %zu MB; %s)\n", info.name.c_str(), info.model.c_str(),
              info.capability, info.multiprocessors, info.memory_bytes >> 20,
              precisions.empty() ? "too old to be used" : list_text(precisions, "and").c_str());
}

Status print_devices(bool json) {
  GPEN_RETURN_IF_ERROR(check_isa());
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  const long long memory_mb = static_cast<long long>(pages) * page / (1 << 20);
  const CudaDevices cuda = cuda_devices();
  if (json) {
    return write_json({{"cpu",
                        {{"model", cpu_model()},
                         {"isa", isa_name()},
                         {"available_isas", available_isas()},
                         {"cores", available_processors()},
                         {"memory_mb", memory_mb},
                         {"precisions", {"fp32", "bf16"}}}},
                       {"cuda", to_json(cuda)}},
                      "-");
  }
  std::string others;
  for (const std::string& isa : available_isas()) others += (others.empty() ? "" : ", ") + isa;
  std::printf("cpu      %s\n", cpu_model().c_str());
  std::printf("isa      %s (can run: %s; GPEN_ISA chooses)\n", isa_name(), others.c_str());
  std::printf("cores    %d\n", available_processors());
  std::printf("memory   %lld MB\n", memory_mb);
  for (const DeviceInfo& info : cuda.devices) print(info);
  if (!cuda.reason.empty()) std::printf("cuda     not usable: %s\n", cuda.reason.c_str());
  std::printf("backends cpu (fp32, bf16)%s\n", has_cuda_backend() ? ", cuda" : "");
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
