#include "app/read_ahead.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace gpen::app {
namespace {

// A signal wakes nobody who waits for a condition, so those who look for one wake by themselves.
constexpr std::chrono::milliseconds kLook{100};

// One that does not fit by itself waits until nothing else is held.
bool fits(int64_t bytes, int64_t held, int64_t most) { return held == 0 || (held <= most && bytes <= most - held); }

template <class Fn>
void start_threads(size_t count, std::vector<std::thread>* threads, const Fn& fn) {
  try {
    for (size_t i = 0; i < count; ++i) threads->emplace_back(fn);
  } catch (const std::system_error&) {
    // Those that could be started do the work.
  }
}

}  // namespace

ReadAhead::ReadAhead(Options options) : options_(std::move(options)) {
  start_threads(options_.threads, &threads_, [this] { serve(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& t : threads_) t.join();
}

// False when there is nothing more to read. Items begin in their order, each when its bytes fit beside what is held: a
// thread that waits for that keeps the ones behind it waiting, so a large picture gets its turn.
bool ReadAhead::read_one(std::unique_lock<std::mutex>& lock) {
  if (options_.stop && options_.stop()) closed_ = true;
  if (closed_ || taken_ == options_.items) return false;
  const size_t item = taken_++;
  ++in_hand_;
  lock.unlock();
  const int64_t weight = std::max<int64_t>(options_.weigh(item), 0);
  lock.lock();
  changed_.wait(lock, [&] { return closed_ || (item == begun_ && fits(weight, reserved_, options_.most_bytes)); });
  if (closed_) {
    --in_hand_;
    return false;
  }
  ++begun_;
  reserved_ += weight;
  lock.unlock();
  changed_.notify_all();
  std::optional<ReadPhoto> photo = options_.read(item);
  lock.lock();
  --in_hand_;
  reserved_ -= weight;
  if (photo.has_value()) {
    reserved_ += held_bytes(photo->picture);
    ready_.emplace(item, *std::move(photo));
  }
  return true;
}

void ReadAhead::serve() {
  std::unique_lock lock(mutex_);
  while (read_one(lock)) changed_.notify_all();
  changed_.notify_all();
}

std::vector<ReadPhoto> ReadAhead::next(size_t photos, int64_t bytes) {
  std::unique_lock lock(mutex_);
  while (ready_.empty()) {
    if (threads_.empty()) {
      if (!read_one(lock)) break;
    } else {
      if (in_hand_ == 0 && (closed_ || taken_ == options_.items)) break;
      if (options_.stop && options_.stop()) break;
      changed_.wait_for(lock, kLook);
    }
  }
  std::vector<ReadPhoto> group;
  while (!ready_.empty() && group.size() < photos) {
    const auto first = ready_.begin();
    const int64_t size = held_bytes(first->second.picture);
    if (!group.empty() && size > bytes) break;
    bytes -= size;
    reserved_ -= size;
    group.push_back(std::move(first->second));
    ready_.erase(first);
  }
  changed_.notify_all();
  return group;
}

WriteBehind::WriteBehind(size_t threads, int64_t most_bytes) : most_bytes_(most_bytes) {
  start_threads(threads, &threads_, [this] { serve(); });
}

void WriteBehind::put(int64_t bytes, std::function<void()> task) {
  if (threads_.empty()) return task();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return fits(bytes, bytes_, most_bytes_); });
  bytes_ += bytes;
  tasks_.push_back({bytes, std::move(task)});
  changed_.notify_all();
}

void WriteBehind::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task.work();
    task.work = nullptr;  // its pictures go before they count as gone
    lock.lock();
    bytes_ -= task.bytes;
    changed_.notify_all();
  }
}

void WriteBehind::finish() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& t : threads_) t.join();
  threads_.clear();
}

}  // namespace gpen::app
