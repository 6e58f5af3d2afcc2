// Threads that read what comes next, and threads that write what is done, beside those that compute. Both hold a
// bounded amount, measured in pixels.
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
    size_t threads = 1;       // 0, or none that the system starts: next() reads itself
    int64_t most_pixels = 0;  // of pictures kept; another is begun only below that
    // Called by several threads, once for each item, in order of their begin. None: the item needs nothing more. Must
    // not throw.
    std::function<std::optional<ReadPhoto>(size_t item)> read;
    std::function<bool()> stop;  // asked before each item: no more
  };
  explicit ReadAhead(Options options);
  ~ReadAhead();  // waits for the threads
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next pictures, those with the smallest indices first: all that are there already, but no more than `photos` and
  // no more than `pixels` together (one at least, whatever its size). Waits for the first. Empty: no item is left.
  std::vector<ReadPhoto> next(size_t photos, int64_t pixels);

 private:
  void serve();
  bool read_one(std::unique_lock<std::mutex>& lock);

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, ReadPhoto> ready_;
  size_t begun_ = 0, reading_ = 0;
  int64_t pixels_ = 0;  // in ready_
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

// Does tasks in the order they come.
class WriteBehind {
 public:
  // threads: 0, or none that the system starts: put() does the task itself. most_pixels: of tasks that wait.
  WriteBehind(size_t threads, int64_t most_pixels);
  ~WriteBehind() { finish(); }
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  // Waits while there is too much to do already. The task must not throw.
  void put(int64_t pixels, std::function<void()> task);
  // Waits until everything is done; nothing comes after it.
  void finish();

 private:
  struct Task {
    int64_t pixels;
    std::function<void()> work;
  };
  void serve();

  const int64_t most_pixels_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  int64_t pixels_ = 0;  // of tasks that are not done
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gpen::app
