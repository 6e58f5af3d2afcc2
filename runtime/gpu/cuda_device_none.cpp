// Stands in for cuda_device.cpp in a build without a CUDA compiler.
#include "runtime/gpu/cuda_device.h"

namespace gpen {

namespace {
Status none() { return fail(Code::device, "this build has no CUDA backend"); }
}  // namespace

bool has_cuda_backend() { return false; }
Result<std::vector<DeviceInfo>> list_cuda_devices() { return none(); }
Result<std::shared_ptr<Device>> open_cuda_device(int) { return none(); }

}  // namespace gpen
