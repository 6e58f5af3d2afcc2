#include "app/read_ahead.h"

#include <chrono>
#include <system_error>

namespace gpen::app {
namespace {

// A signal wakes nobody who waits for a condition, so those who look for one wake by themselves.
constexpr std::chrono::milliseconds kLook{100};

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

// False when there is nothing more to read.
bool ReadAhead::read_one(std::unique_lock<std::mutex>& lock) {
  if (closed_ || begun_ == options_.items || (options_.stop && options_.stop())) {
    closed_ = true;
    return false;
  }
  const size_t item = begun_++;
  ++reading_;
  lock.unlock();
  std::optional<ReadPhoto> photo = options_.read(item);
  lock.lock();
  --reading_;
  if (photo.has_value()) {
    pixels_ += photo->picture.pixels();
    ready_.emplace(item, *std::move(photo));
  }
  return true;
}

void ReadAhead::serve() {
  std::unique_lock lock(mutex_);
  do {
    changed_.notify_all();
    changed_.wait(lock, [&] { return closed_ || pixels_ < options_.most_pixels; });
  } while (read_one(lock));
  changed_.notify_all();
}

std::vector<ReadPhoto> ReadAhead::next(size_t photos, int64_t pixels) {
  std::unique_lock lock(mutex_);
  while (ready_.empty()) {
    if (threads_.empty() && !read_one(lock)) break;
    if (!threads_.empty()) {
      if (reading_ == 0 && (closed_ || begun_ == options_.items)) break;
      if (options_.stop && options_.stop()) break;
      changed_.wait_for(lock, kLook);
    }
  }
  std::vector<ReadPhoto> group;
  while (!ready_.empty() && group.size() < photos) {
    const auto first = ready_.begin();
    const int64_t size = first->second.picture.pixels();
    if (!group.empty() && size > pixels) break;
    pixels -= size;
    pixels_ -= size;
    group.push_back(std::move(first->second));
    ready_.erase(first);
  }
  changed_.notify_all();
  return group;
}

WriteBehind::WriteBehind(size_t threads, int64_t most_pixels) : most_pixels_(most_pixels) {
  start_threads(threads, &threads_, [this] { serve(); });
}

void WriteBehind::put(int64_t pixels, std::function<void()> task) {
  if (threads_.empty()) return task();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return pixels_ < most_pixels_; });
  pixels_ += pixels;
  tasks_.push_back({pixels, std::move(task)});
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
    pixels_ -= task.pixels;
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
