// A length of time that goes to a stage of the result when it ends.
#pragma once
#include <chrono>
#include <new>
#include <vector>

#include "pipeline/restore.h"

namespace gpen {

class StageTimer {
 public:
  // device: its work belongs to the stage, so the end of the stage waits for it; null: none.
  StageTimer(std::vector<StageTime>* times, const char* stage, Device* device = nullptr)
      : times_(times), stage_(stage), device_(device) {
    add(times, stage, 0);  // makes the entry: the destructor, which must not fail, allocates nothing
  }
  ~StageTimer() {
    try {
      if (device_ != nullptr) device_->wait();
    } catch (const std::bad_alloc&) {  // for the words of the device's error
      device_->note_error(Status(Code::memory, "out of memory"));
    }
    add(times_, stage_, std::chrono::duration<double, std::milli>(Clock::now() - start_).count());
  }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

  static void add(std::vector<StageTime>* times, const char* stage, double ms) {
    for (StageTime& t : *times)
      if (t.stage == stage) {
        t.ms += ms;
        return;
      }
    times->push_back({stage, ms});
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<StageTime>* times_;
  const char* stage_;
  Device* device_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace gpen
