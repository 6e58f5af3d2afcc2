#include "runtime/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/limits.h"

namespace gpen {

namespace {
// Rounds of polling before a thread sleeps: regions follow each other within microseconds inside one forward().
constexpr int kSpins = 4000;
thread_local bool inside_region = false;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
}  // namespace

struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  std::mutex region_mutex;  // one region at a time, whoever calls
  std::mutex mutex;
  std::condition_variable wake, finished;
  std::atomic<uint64_t> generation{0};
  std::atomic<bool> stop{false};
  std::atomic<int> running{0};
  std::atomic<int64_t> next{0};
  int64_t items = 0;
  void (*call)(void*, int64_t, int) = nullptr;
  void* fn = nullptr;
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // the first one of this region; written by the thread that set failed

  void drain(int thread) {
    inside_region = true;
    try {
      for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < items;
           i = next.fetch_add(1, std::memory_order_relaxed))
        call(fn, i, thread);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
      next.store(items, std::memory_order_relaxed);  // the rest is not begun
    }
    inside_region = false;
  }

  void join() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (auto& w : workers) w.join();
  }

  void work(int thread) {
    uint64_t seen = 0;
    for (;;) {
      for (int s = 0; s < kSpins && generation.load(std::memory_order_acquire) == seen && !stop.load(); ++s) relax();
      if (generation.load(std::memory_order_acquire) == seen && !stop.load()) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen || stop.load(); });
      }
      if (stop.load()) return;
      seen = generation.load(std::memory_order_acquire);
      drain(thread);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard lock(mutex);
        finished.notify_one();
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  if (threads <= 0) threads = available_processors();
  impl_->workers.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int t = 1; t < threads; ++t) impl_->workers.emplace_back([this, t] { impl_->work(t); });
  } catch (const std::system_error&) {
    // A limit of the system on threads: those that could be started do the same work.
  } catch (...) {
    impl_->join();
    throw;
  }
}

ThreadPool::~ThreadPool() { impl_->join(); }

int ThreadPool::size() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run(int64_t items, void (*call)(void*, int64_t, int), void* fn) {
  if (items <= 0) return;
  if (inside_region || impl_->workers.empty() || items == 1) {
    for (int64_t i = 0; i < items; ++i) call(fn, i, 0);
    return;
  }
  std::lock_guard region(impl_->region_mutex);
  impl_->items = items;
  impl_->call = call;
  impl_->fn = fn;
  impl_->failed.store(false, std::memory_order_relaxed);
  impl_->next.store(0, std::memory_order_relaxed);
  impl_->running.store(static_cast<int>(impl_->workers.size()), std::memory_order_relaxed);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->generation.fetch_add(1, std::memory_order_release);
  }
  impl_->wake.notify_all();
  impl_->drain(0);
  for (int s = 0; s < kSpins && impl_->running.load(std::memory_order_acquire) != 0; ++s) relax();
  if (impl_->running.load(std::memory_order_acquire) != 0) {
    std::unique_lock lock(impl_->mutex);
    impl_->finished.wait(lock, [&] { return impl_->running.load(std::memory_order_acquire) == 0; });
  }
  if (impl_->failed.load(std::memory_order_relaxed)) std::rethrow_exception(std::exchange(impl_->error, nullptr));
}

}  // namespace gpen
