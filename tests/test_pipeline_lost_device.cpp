// A device that had an error and one that is lost.
#include "pipeline/lost_device.h"

#include <gtest/gtest.h>

namespace gpen {
namespace {

// Does nothing; once lost, every wait is an error, as CUDA has it.
class IdleDevice : public Device {
 public:
  bool lost = false;

  Result<void*> allocate(size_t) override { return fail(Code::memory, "there is no memory"); }
  void release(void*) override {}
  void upload(void*, const void*, size_t) override {}
  void download(void*, const void*, size_t) override {}
  void copy(void*, const void*, size_t) override {}
  void clear(void*, size_t) override {}
  Status finish() override {
    if (lost) note_error(fail(Code::device, "an illegal memory access was encountered"));
    return take_error();
  }
  size_t free_bytes() override { return 0; }
  Result<std::unique_ptr<RecordedWork>> record(const std::function<void()>&) override {
    return fail(Code::internal, "nothing is recorded");
  }
  void replay(const RecordedWork&) override {}
};

TEST(LostDevice, AnErrorOfSomeWorkEndsWithIt) {
  IdleDevice device;
  EXPECT_FALSE(is_lost(&device));
  device.note_error(fail(Code::device, "invalid configuration argument"));
  EXPECT_FALSE(is_lost(&device));
  EXPECT_TRUE(device.finish().ok());
  EXPECT_FALSE(is_lost(nullptr));
}

TEST(LostDevice, StaysLost) {
  IdleDevice device;
  device.lost = true;
  EXPECT_TRUE(is_lost(&device));
  EXPECT_TRUE(is_lost(&device));
}

}  // namespace
}  // namespace gpen
