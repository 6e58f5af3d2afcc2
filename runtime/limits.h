// What this process may use of the machine: all of it, or what its control group (a container, a Slurm task, a systemd
// unit) leaves it.
#pragma once
#include <cstddef>
#include <string>

namespace gpen {

// What could still be given without killing anybody: free and reclaimable memory, and swap; no more than the control
// groups leave. No limit where the system does not say.
size_t available_memory();

// The processors that this process may run on; no more, rounded up, than the time that its control groups may spend on
// them. At least 1.
int available_processors();

struct GroupLimits {
  size_t memory;      // bytes that can still be had, page cache that can be dropped included
  double processors;  // seconds of processor time a second
};
// Of the process's group and those around it: version 2 (memory.max, cpu.max) or 1 (memory.limit_in_bytes,
// cpu.cfs_quota_us). The largest numbers where there is no limit. groups: /proc/self/cgroup; mount: /sys/fs/cgroup.
GroupLimits group_limits(const std::string& groups, const std::string& mount);

}  // namespace gpen
