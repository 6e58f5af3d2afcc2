// gpen_device_*: what this machine can compute with.
#include <unistd.h>

#include "capi/entry.h"
#include "kernels/isa.h"
#include "pipeline/compute.h"
#include "runtime/gpu/cuda_device.h"

using namespace gpen;
using namespace gpen::capi;

namespace {

template <size_t kSize>
void copy_text(const std::string& text, char (&to)[kSize]) {
  const size_t length = text.size() < kSize ? text.size() : kSize - 1;
  std::memcpy(to, text.data(), length);
  to[length] = 0;
}

gpen_device_info processor() {
  gpen_device_info info = {};
  copy_text("cpu", info.name);
  copy_text(isa_name(), info.description);
  copy_text("fp32, bf16", info.precisions);
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) info.memory_bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  return info;
}

gpen_device_info cuda_device(const DeviceInfo& device) {
  gpen_device_info info = {};
  copy_text(device.name, info.name);
  copy_text(device.model, info.description);
  std::string precisions;
  for (const Precision p : precisions_of(device)) precisions += concat(precisions.empty() ? "" : ", ", name_of(p));
  copy_text(precisions, info.precisions);
  info.memory_bytes = device.memory_bytes;
  return info;
}

}  // namespace

size_t gpen_device_count(void) {
  size_t count = 1;
  try {
    if (const auto devices = list_cuda_devices(); devices.ok()) count += devices->size();
  } catch (...) {  // no memory to look for more
  }
  return count;
}

gpen_status gpen_device_get(size_t index, gpen_device_info* info) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(info, "info"));
    if (info->size < sizeof(gpen_device_info))
      return fail(Code::usage, "info->size is ", info->size, ", expected sizeof(gpen_device_info)");
    if (index == 0) {
      write_params(processor(), info, info->size);
      return {};
    }
    const auto devices = list_cuda_devices();
    if (!devices.ok() || index > devices->size())
      return fail(Code::usage, "there is no device ", index, devices.ok() ? "" : ": ",
                  devices.ok() ? "" : devices.status().message());
    write_params(cuda_device((*devices)[index - 1]), info, info->size);
    return {};
  });
}

gpen_status gpen_device_check(const char* device, const char* precision) {
  return entry([&]() -> Status {
    ComputeChoice choice;
    if (device != nullptr && *device != 0) choice.device = device;
    if (precision != nullptr && *precision != 0) choice.precision = precision;
    GPEN_RETURN_IF_ERROR(check_isa());
    return gpen::check(choice);
  });
}
