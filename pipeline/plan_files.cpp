#include "pipeline/plan_files.h"

#include <cctype>
#include <cstdlib>
#include <string_view>

#include "pipeline/file_io.h"

namespace gpen {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                     Precision::fp16_fast};

fs::path cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg == '/') return fs::path(xdg) / "gpen";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return fs::path(home) / ".cache/gpen";
  return {};
}

// "NVIDIA H200" becomes "nvidia-h200".
std::string file_name_of(const std::string& model) {
  std::string name;
  for (const char c : model) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  return name;
}

Result<ConvPlans> read_plans(const fs::path& path, const DeviceInfo& device) {
  GPEN_ASSIGN(const std::vector<uint8_t> bytes, read_file(path, kMostBytes));
  Result<ConvPlans> plans =
      parse_conv_plans(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), device);
  if (!plans.ok()) return plans.status().in(path.string());
  return plans;
}

}  // namespace

fs::path plans_file(const DeviceInfo& device, Precision precision) {
  const fs::path folder = cache_folder();
  if (folder.empty()) return {};
  return folder /
         concat("plans-", file_name_of(device.model), "-sm", device.capability, "-", name_of(precision), ".txt");
}

void load_conv_plans(Device& device, std::vector<std::string>* notes) {
  const char* named = std::getenv("GPEN_PLANS");
  if (named != nullptr && std::string_view(named) == "none") return device.set_conv_plans(nullptr);
  std::vector<fs::path> files;
  std::error_code ignored;
  if (named != nullptr && *named != '\0') {
    files.emplace_back(named);
  } else {
    for (const Precision p : kPrecisions) {
      const fs::path file = plans_file(device.info(), p);
      if (!file.empty() && fs::exists(file, ignored)) files.push_back(file);
    }
  }
  auto plans = std::make_shared<ConvPlans>(conv_plans_for(device.info(), builtin_conv_plans()));
  for (const fs::path& file : files) {
    const Result<ConvPlans> read = read_plans(file, device.info());
    if (!read.ok()) {
      notes->push_back(read.status().message() + "; these measured plans are not used (`gpen tune` makes new ones)");
      continue;
    }
    for (const ConvPlanRow& row : read->rows) plans->set(row);
  }
  device.set_conv_plans(std::move(plans));
}

Status save_conv_plans(const fs::path& path, const ConvPlans& plans, const DeviceInfo& device) {
  Result<ConvPlans> old = read_plans(path, device);
  ConvPlans all = old.ok() ? *std::move(old) : ConvPlans();
  for (const ConvPlanRow& row : plans.rows) all.set(row);
  const std::string text = to_text(all, device);
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) return fail(Code::io, path.parent_path().string(), ": ", error.message());
  return write_file(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace gpen
