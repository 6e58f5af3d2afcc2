#include "pipeline/compute.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "pipeline/plan_files.h"
#include "runtime/gpu/cuda_device.h"
#include "runtime/limits.h"

namespace gpen {
namespace {

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                     Precision::fp16_fast};

std::string describe(const DeviceInfo& info) {
  return concat(info.name, " (", info.model, ", sm_", info.capability, ")");
}

// N of "cuda:N", 0 of "cuda", -1 of anything else.
int cuda_index(std::string_view name) {
  if (name == "cuda") return 0;
  constexpr std::string_view kStart = "cuda:";
  if (name.substr(0, kStart.size()) != kStart) return -1;
  name.remove_prefix(kStart.size());
  int index = -1;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, index);
  return error == std::errc() && stop == end ? index : -1;
}

// The CUDA devices that the option names; none for auto and cpu.
Result<std::vector<int>> parse_devices(const std::string& option) {
  std::vector<int> indices;
  if (option == "auto" || option == "cpu") return indices;
  for (size_t begin = 0; begin <= option.size();) {
    const size_t end = std::min(option.find(',', begin), option.size());
    const int index = cuda_index(std::string_view(option).substr(begin, end - begin));
    if (index < 0)
      return fail(Code::usage, "device ", option, ": expected auto, cpu, cuda, cuda:N or a list like cuda:0,cuda:1");
    if (std::count(indices.begin(), indices.end(), index) > 0)
      return fail(Code::usage, "device ", option, ": cuda:", index, " is named twice");
    indices.push_back(index);
    begin = end + 1;
  }
  return indices;
}

Result<Precision> parse_precision(const std::string& option) {
  for (const Precision p : kPrecisions) {
    if (option == name_of(p)) return p;
  }
  return fail(Code::usage, "precision ", option, ": expected fp32, tf32, bf16, fp16 or fp16-fast");
}

struct Choice {
  std::vector<int> cuda;  // empty: the CPU
  Precision precision = Precision::fp32;
};

Status check_device(const ComputeChoice& wanted, const std::vector<DeviceInfo>& devices, int index, Precision p) {
  if (static_cast<size_t>(index) >= devices.size())
    return fail(Code::device, "device ", wanted.device, ": there is no cuda:", index, ", the driver finds ",
                devices.size(), devices.size() == 1 ? " device" : " devices");
  const DeviceInfo& info = devices[static_cast<size_t>(index)];
  const std::vector<Precision> can = precisions_of(info);
  if (can.empty())
    return fail(Code::device, "device ", wanted.device, ": ", describe(info), " is too old, sm_", kOldestCudaCapability,
                " or newer is needed");
  if (std::count(can.begin(), can.end(), p) == 0)
    return fail(Code::device, "precision ", wanted.precision, ": ", describe(info), " computes in ",
                list_text(can, "or"));
  return {};
}

Result<Choice> choose(const ComputeChoice& wanted) {
  Choice choice;
  GPEN_ASSIGN(choice.cuda, parse_devices(wanted.device));
  GPEN_ASSIGN(choice.precision, parse_precision(wanted.precision));
  std::vector<DeviceInfo> devices;
  std::string why_not;  // the device auto does not find a CUDA device
  if (wanted.device != "cpu") {
    Result<std::vector<DeviceInfo>> listed = list_cuda_devices();
    if (!listed.ok() && !choice.cuda.empty())
      return fail(Code::device, "device ", wanted.device, ": ", listed.status().message());
    if (listed.ok())
      devices = *std::move(listed);
    else
      why_not = "; no CUDA device can be used: " + listed.status().message();
  }
  if (wanted.device == "auto") {
    const auto usable = std::find_if(devices.begin(), devices.end(),
                                     [](const DeviceInfo& info) { return !precisions_of(info).empty(); });
    if (usable != devices.end()) choice.cuda.push_back(static_cast<int>(usable - devices.begin()));
  }
  for (const int index : choice.cuda) GPEN_RETURN_IF_ERROR(check_device(wanted, devices, index, choice.precision));
  if (choice.cuda.empty() && choice.precision != Precision::fp32 && choice.precision != Precision::bf16)
    return fail(Code::device, "precision ", wanted.precision, ": the CPU computes in fp32 or bf16", why_not);
  return choice;
}

}  // namespace

Status check(const ComputeChoice& wanted) { return choose(wanted).status(); }

Result<std::vector<int>> cuda_devices_of(const ComputeChoice& wanted) { return parse_devices(wanted.device); }

Result<std::vector<Processor>> open_processors(const ComputeChoice& wanted, size_t most,
                                               std::vector<std::string>* notes) {
  GPEN_ASSIGN(Choice choice, choose(wanted));
  choice.cuda.resize(std::min(choice.cuda.size(), most));
  std::vector<Processor> all;
  if (choice.cuda.empty()) {
    all.emplace_back(std::make_shared<ThreadPool>(wanted.threads), choice.precision);
    return all;
  }
  const int together = wanted.threads > 0 ? wanted.threads : available_processors();
  const int each = std::max(1, together / static_cast<int>(choice.cuda.size()));
  for (const int index : choice.cuda) {
    Result<std::shared_ptr<Device>> opened = open_cuda_device(index);
    if (!opened.ok()) return fail(opened.status().code(), "device ", wanted.device, ": ", opened.status().message());
    load_conv_plans(**opened, notes);
    all.emplace_back(std::make_shared<ThreadPool>(each), choice.precision, *std::move(opened));
  }
  return all;
}

std::vector<Precision> precisions_of(const DeviceInfo& info) {
  if (info.capability < kOldestCudaCapability) return {};
  if (info.capability < kTf32AndBf16Capability) return {Precision::fp32, Precision::fp16, Precision::fp16_fast};
  return {std::begin(kPrecisions), std::end(kPrecisions)};
}

std::string list_text(const std::vector<Precision>& precisions, const char* last) {
  std::string text;
  for (size_t i = 0; i < precisions.size(); ++i) {
    if (i > 0) text += i + 1 < precisions.size() ? ", " : concat(" ", last, " ");
    text += name_of(precisions[i]);
  }
  return text;
}

}  // namespace gpen
