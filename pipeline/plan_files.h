// Where measured plans of convolutions lie (docs/devices.md): one file for each device model and precision,
// $XDG_CACHE_HOME/gpen/plans-MODEL-smNN-PRECISION.txt (default ~/.cache/gpen). GPEN_PLANS=FILE is read in their place,
// GPEN_PLANS=none turns measured plans off.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/conv_plans.h"

namespace gpen {

// Empty when there is no such folder: neither XDG_CACHE_HOME nor HOME is set.
std::filesystem::path plans_file(const DeviceInfo& device, Precision precision);
// Gives the device its measured plans: the program's own, and in front of them those of the files. A file that is
// damaged, for another device or for other kernels is left out, with a note that names it and the reason.
void load_conv_plans(Device& device, std::vector<std::string>* notes);
// Adds rows to those of the file, in front of its rows for the same layers; a file that could not be used is replaced.
// Folders are made. Code::io.
Status save_conv_plans(const std::filesystem::path& path, const ConvPlans& plans, const DeviceInfo& device);

}  // namespace gpen
