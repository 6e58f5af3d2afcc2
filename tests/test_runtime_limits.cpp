// What control groups leave to a process, read from made-up files.
#include <gtest/gtest.h>

#include <limits>

#include "runtime/limits.h"
#include "support/command.h"

namespace gpen::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr double kAll = std::numeric_limits<double>::max();

class Limits : public testing::Test {
 protected:
  TemporaryFolder folder;
  void put(const std::string& name, const std::string& text) {
    const fs::path path = folder.path() / name;
    fs::create_directories(path.parent_path());
    write_text(path, text);
  }
  GroupLimits limits() const { return group_limits((folder / "groups").string(), (folder / "mount").string()); }
};

TEST_F(Limits, Version2TheLeastOfTheGroupAndThoseAround) {
  put("groups", "0::/work.slice/job\n");
  EXPECT_EQ(limits().memory, kNone);
  EXPECT_EQ(limits().processors, kAll);
  put("mount/work.slice/job/memory.max", "max\n");
  put("mount/work.slice/job/memory.current", "7000\n");
  put("mount/work.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(limits().memory, kNone);
  EXPECT_EQ(limits().processors, kAll);
  put("mount/work.slice/memory.max", "10000\n");
  put("mount/work.slice/memory.current", "8000\n");
  put("mount/work.slice/memory.stat", "anon 1\ninactive_file 2000\nactive_file 700\nslab_reclaimable 300\nslab 900\n");
  put("mount/work.slice/cpu.max", "250000 100000\n");
  EXPECT_EQ(limits().memory, 5000u) << "page cache and the like can be dropped";
  EXPECT_EQ(limits().processors, 2.5);
  put("mount/work.slice/job/memory.max", "7500\n");
  put("mount/work.slice/job/cpu.max", "50000 100000\n");
  EXPECT_EQ(limits().memory, 500u);
  EXPECT_EQ(limits().processors, 0.5);
  put("mount/work.slice/job/memory.max", "6000\n");
  EXPECT_EQ(limits().memory, 0u);
}

TEST_F(Limits, AContainersOwnGroupIsTheMount) {
  put("groups", "0::/\n");
  put("mount/memory.max", "4096\n");
  put("mount/memory.current", "96\n");
  put("mount/cpu.max", "100000 100000");
  EXPECT_EQ(limits().memory, 4000u);
  EXPECT_EQ(limits().processors, 1);
  put("groups", "0::/../../elsewhere\n");  // of a group outside of the container's view
  EXPECT_EQ(limits().memory, 4000u);
}

TEST_F(Limits, Version1) {
  put("groups", "9:name=systemd:/\n4:memory:/docker/a\n1:cpu,cpuacct:/docker/a\n0::/\nnonsense\n");
  put("mount/memory/docker/a/memory.limit_in_bytes", "9223372036854771712\n");
  put("mount/memory/docker/a/memory.usage_in_bytes", "100\n");
  put("mount/cpu/docker/a/cpu.cfs_quota_us", "-1\n");
  put("mount/cpu/docker/a/cpu.cfs_period_us", "100000\n");
  EXPECT_GT(limits().memory, size_t{1} << 60);
  EXPECT_EQ(limits().processors, kAll);
  put("mount/memory/docker/a/memory.limit_in_bytes", "1000\n");
  put("mount/memory/docker/a/memory.stat", "inactive_file 90\ntotal_inactive_file 40\n");
  put("mount/cpu/docker/a/cpu.cfs_quota_us", "150000\n");
  EXPECT_EQ(limits().memory, 940u);
  EXPECT_EQ(limits().processors, 1.5);
}

TEST(LimitsHere, AreUsable) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_GT(available_memory(), size_t{1} << 20);
}

}  // namespace
}  // namespace gpen::test
