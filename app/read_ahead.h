// Threads that read what comes next, and threads that write what is done, beside those that compute. Both hold a
// bounded number of bytes. What is larger than the bound goes through when nothing else is held.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/image.h"

namespace gpen::app {

struct ReadPhoto {
  size_t index = 0;  // among the items
  Image picture;
  double ms = 0;  // that reading took
};

// Reads the pictures of the items 0, 1, ..., and keeps those that nobody has asked for yet.
class ReadAhead {
 public:
  struct Options {
    size_t items = 0;
    size_t threads = 1;      // 0, or none that the system starts: next() reads itself
    int64_t most_bytes = 0;  // that the pictures being read and those that are kept take together
    // Both are called by several threads, once for each item, and must not throw. weigh: the bytes that reading the
    // item takes, as far as can be told beforehand; they are set aside before read() begins (in the order of the
    // items), and what the picture turned out to take once it has ended. read: none, when the item needs nothing more.
    std::function<int64_t(size_t item)> weigh;
    std::function<std::optional<ReadPhoto>(size_t item)> read;
    std::function<bool()> stop;  // asked before each item: no more
  };
  explicit ReadAhead(Options options);
  ~ReadAhead();  // waits for the threads
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next pictures, those with the smallest indices first: all that are there already, but no more than `photos` and
  // no more than `bytes` together (one at least, whatever its size). They are the caller's from then on and count no
  // longer. Waits for the first. Empty: no item is left.
  std::vector<ReadPhoto> next(size_t photos, int64_t bytes);

 private:
  void serve();
  bool read_one(std::unique_lock<std::mutex>& lock);

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, ReadPhoto> ready_;
  size_t taken_ = 0;      // items that a thread has taken, from the first one on
  size_t begun_ = 0;      // of those, the ones whose bytes are set aside
  size_t in_hand_ = 0;    // taken and neither ready nor done with
  int64_t reserved_ = 0;  // by what is being read, and in ready_
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

// Does tasks in the order they come.
class WriteBehind {
 public:
  // threads: 0, or none that the system starts: put() does the task itself. most_bytes: of tasks that are not done.
  WriteBehind(size_t threads, int64_t most_bytes);
  ~WriteBehind() { finish(); }
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  // bytes: that the task holds and takes. Waits while they do not fit. The task must not throw.
  void put(int64_t bytes, std::function<void()> task);
  // Waits until everything is done; nothing comes after it.
  void finish();

 private:
  struct Task {
    int64_t bytes;
    std::function<void()> work;
  };
  void serve();

  const int64_t most_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  int64_t bytes_ = 0;  // of tasks that are not done
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gpen::app
