#include "pipeline/distribute.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace gpen {
namespace {

class Queue {
 public:
  Queue(const Distribution& d, size_t workers) : d_(d), done_(d.items), workers_left_(workers) {}

  void serve(size_t worker) {
    try {
      for (size_t item = 0; take(&item);) {
        const bool fit = d_.work(item, worker);
        finish(item);
        if (!fit && leave()) return;
      }
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(mutex_);
      failed_ = true;
    }
  }
  // A worker whose thread could not be started.
  void never_came() {
    const std::lock_guard lock(mutex_);
    --workers_left_;
  }
  bool failed() const { return failed_; }
  size_t reported() const { return reported_; }

 private:
  bool take(size_t* item) {
    const std::lock_guard lock(mutex_);
    if (failed_ || next_ == d_.items || (d_.stop && d_.stop())) return false;
    *item = next_++;
    return true;
  }
  void finish(size_t item) {
    const std::lock_guard lock(mutex_);
    done_[item] = true;
    try {
      while (!failed_ && reported_ < d_.items && done_[reported_]) {
        const size_t next = reported_++;
        if (d_.finished) d_.finished(next);
      }
    } catch (const std::bad_alloc&) {
      failed_ = true;  // before anybody else reports
    }
  }
  bool leave() {
    const std::lock_guard lock(mutex_);
    if (workers_left_ == 1) return false;
    --workers_left_;
    return true;
  }

  const Distribution& d_;
  std::mutex mutex_;
  std::vector<bool> done_;
  size_t next_ = 0, reported_ = 0, workers_left_;
  bool failed_ = false;
};

}  // namespace

Result<size_t> distribute(const Distribution& d) {
  const size_t workers = std::clamp<size_t>(d.items, 1, std::max<size_t>(1, d.workers));
  Queue queue(d, workers);
  std::vector<std::thread> threads;
  threads.reserve(workers - 1);
  for (size_t w = 1; w < workers; ++w) {
    try {
      threads.emplace_back([&queue, w] { queue.serve(w); });
    } catch (const std::system_error&) {
      queue.never_came();
    }
  }
  queue.serve(0);
  for (std::thread& t : threads) t.join();
  if (queue.failed()) return fail(Code::memory, "out of memory");
  return queue.reported();
}

}  // namespace gpen
