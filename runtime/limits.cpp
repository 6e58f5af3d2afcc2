#include "runtime/limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

namespace gpen {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// The number after `key` in lines of "key number"; without a key the file's first. kNoLimit: it is not there, or "max".
size_t number_in(const fs::path& file, const std::string& key = "") {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const char* const start = line.c_str() + key.size();
    char* end = nullptr;
    const long long value = std::strtoll(start, &end, 10);
    return end == start || value < 0 ? kNoLimit : static_cast<size_t>(value);
  }
  return kNoLimit;
}

// What the system takes back before it kills anybody: the page cache and its own caches. prefix: of the keys.
size_t droppable(const fs::path& group, const std::string& prefix) {
  size_t sum = 0;
  for (const char* const key : {"inactive_file ", "active_file ", "slab_reclaimable "}) {
    const size_t bytes = number_in(group / "memory.stat", prefix + key);
    if (bytes != kNoLimit) sum += bytes;
  }
  return sum;
}

size_t memory_left(size_t limit, size_t used, size_t can_go) {
  if (limit == kNoLimit || used == kNoLimit) return kNoLimit;
  return limit - std::min(limit, used - std::min(used, can_go));
}

double processors_of(size_t quota, size_t period) {
  if (quota == kNoLimit || period == kNoLimit || period == 0) return std::numeric_limits<double>::max();
  return static_cast<double>(quota) / static_cast<double>(period);
}

GroupLimits of_version_2(const fs::path& group) {
  GroupLimits limits{
      memory_left(number_in(group / "memory.max"), number_in(group / "memory.current"), droppable(group, "")),
      std::numeric_limits<double>::max()};
  std::ifstream in(group / "cpu.max");  // "max 100000" or "200000 100000"
  size_t quota = 0, period = 0;
  if (in >> quota >> period) limits.processors = processors_of(quota, period);
  return limits;
}

GroupLimits of_memory_1(const fs::path& group) {
  return {memory_left(number_in(group / "memory.limit_in_bytes"), number_in(group / "memory.usage_in_bytes"),
                      droppable(group, "total_")),
          std::numeric_limits<double>::max()};
}

GroupLimits of_cpu_1(const fs::path& group) {
  return {kNoLimit, processors_of(number_in(group / "cpu.cfs_quota_us"), number_in(group / "cpu.cfs_period_us"))};
}

// The least of the group's and of those around it, up to the mount. In a container its own group often is the mount.
template <class Of>
GroupLimits least(const fs::path& mount, const std::string& group, const Of& of) {
  GroupLimits limits = of(mount);
  std::error_code ignored;
  fs::path at = mount;
  for (const fs::path& part : fs::path(group).relative_path().lexically_normal()) {
    at /= part;
    if (part == ".." || !fs::is_directory(at, ignored)) break;
    const GroupLimits own = of(at);
    limits = {std::min(limits.memory, own.memory), std::min(limits.processors, own.processors)};
  }
  return limits;
}

bool names(const std::string& controllers, const std::string& controller) {
  return ("," + controllers + ",").find("," + controller + ",") != std::string::npos;
}

GroupLimits own_limits() { return group_limits("/proc/self/cgroup", "/sys/fs/cgroup"); }

}  // namespace

GroupLimits group_limits(const std::string& groups, const std::string& mount) {
  GroupLimits limits{kNoLimit, std::numeric_limits<double>::max()};
  const auto add = [&](const GroupLimits& more) {
    limits = {std::min(limits.memory, more.memory), std::min(limits.processors, more.processors)};
  };
  std::ifstream in(groups);
  for (std::string line; std::getline(in, line);) {  // ID:CONTROLLERS:/GROUP
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) add(least(mount, group, of_version_2));
    if (names(controllers, "memory")) add(least(fs::path(mount) / "memory", group, of_memory_1));
    if (names(controllers, "cpu")) add(least(fs::path(mount) / "cpu", group, of_cpu_1));
  }
  return limits;
}

size_t available_memory() {
  const size_t free = number_in("/proc/meminfo", "MemAvailable:"), swap = number_in("/proc/meminfo", "SwapFree:");
  const size_t machine = free == kNoLimit ? kNoLimit : (free + (swap == kNoLimit ? 0 : swap)) << 10;  // in kB
  return std::min(machine, own_limits().memory);
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) count = CPU_COUNT(&set);
  return std::max(1, static_cast<int>(std::min<double>(count, std::ceil(own_limits().processors))));
}

}  // namespace gpen
