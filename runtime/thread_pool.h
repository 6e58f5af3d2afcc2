// A fixed set of worker threads and parallel_for. Results never depend on the number of threads: work items are
// independent, and every sum is formed inside one item in a fixed order.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace gpen {

class ThreadPool {
 public:
  // threads <= 0: as many as the machine has (or the cpuset allows). The calling thread is one of them. Where the
  // system does not start that many, the pool has fewer: size() says how many.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  int size() const;

  // Calls fn(item, thread) for every item in [0, items), thread in [0, size()); returns when all are done. Items are
  // handed out one by one in order. One caller at a time; nested calls run inline on the calling thread.
  // What fn throws (std::bad_alloc) is thrown here once every thread has stopped; items not yet begun are left out
  // then.
  template <class Fn>
  void parallel_for(int64_t items, Fn&& fn) {
    run(
        items, [](void* f, int64_t i, int t) { (*static_cast<std::remove_reference_t<Fn>*>(f))(i, t); }, &fn);
  }

 private:
  void run(int64_t items, void (*call)(void*, int64_t, int), void* fn);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpen
