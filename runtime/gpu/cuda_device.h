// NVIDIA GPUs. The driver is looked for at run time: a program with this in it starts on machines without one.
#pragma once
#include <vector>

#include "runtime/device.h"

namespace gpen {

// DeviceInfo::capability that open_cuda_device() takes: the oldest with tensor cores for half precision.
inline constexpr int kOldestCudaCapability = 75;
// The oldest with tensor cores for tf32 and bf16.
inline constexpr int kTf32AndBf16Capability = 80;
// Whether this build has kernels for CUDA devices at all.
bool has_cuda_backend();
// The usable devices. Code::device with the reason when there is none: no driver, a driver too old for this build, no
// device, or a build without CUDA.
Result<std::vector<DeviceInfo>> list_cuda_devices();
// Code::device as above, when there is no device of this index, when it is older than that, or when it cannot
// launch cooperative kernels.
Result<std::shared_ptr<Device>> open_cuda_device(int index);

}  // namespace gpen
