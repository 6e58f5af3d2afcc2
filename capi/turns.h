// Whose turn it is: calls that use a model's networks one after the other, in the order of their arrival.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "gpen/gpen.h"
#include "runtime/status.h"

namespace gpen::capi {

class Turns {
 public:
  // Waits for the turn; while it waits, abort (may be null) is asked about fifty times a second. Code::cancelled when
  // it says so; Code::usage when the calling thread has the turn already (a callback that calls its own model), which
  // could never come to an end. What abort throws comes through.
  Status take(gpen_abort_callback abort, void* user_data);
  void give_back();

 private:
  struct Waiter {
    Waiter* next = nullptr;
  };
  void remove(const Waiter* waiter);

  std::mutex mutex_;
  std::condition_variable changed_;
  Waiter* first_ = nullptr;  // a queue on the waiters' stacks: waiting allocates nothing
  bool taken_ = false;
  std::thread::id owner_;
};

// Has the turn until it goes out of scope.
class Turn {
 public:
  explicit Turn(Turns* turns) : turns_(turns) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { turns_->give_back(); }

 private:
  Turns* turns_;
};

}  // namespace gpen::capi
