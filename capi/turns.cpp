#include "capi/turns.h"

#include <chrono>

namespace gpen::capi {

Status Turns::take(gpen_abort_callback abort, void* user_data) {
  std::unique_lock lock(mutex_);
  if (taken_ && owner_ == std::this_thread::get_id())
    return fail(Code::usage, "the model was called from one of its own callbacks");
  Waiter me;
  Waiter** end = &first_;
  while (*end != nullptr) end = &(*end)->next;
  *end = &me;
  const auto my_turn = [&] { return !taken_ && first_ == &me; };
  try {
    while (!my_turn()) {
      if (abort == nullptr) {
        changed_.wait(lock);
        continue;
      }
      lock.unlock();
      const bool give_up = abort(user_data);  // a stranger's code: without the lock
      lock.lock();
      if (give_up) {
        remove(&me);
        return fail(Code::cancelled, "cancelled");
      }
      if (!my_turn()) changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    remove(&me);
    throw;
  }
  remove(&me);
  taken_ = true;
  owner_ = std::this_thread::get_id();
  return {};
}

void Turns::give_back() {
  {
    std::lock_guard lock(mutex_);
    taken_ = false;
    owner_ = std::thread::id();
  }
  changed_.notify_all();
}

void Turns::remove(const Waiter* waiter) {
  Waiter** at = &first_;
  while (*at != nullptr && *at != waiter) at = &(*at)->next;
  if (*at != nullptr) *at = waiter->next;
  changed_.notify_all();
}

}  // namespace gpen::capi
