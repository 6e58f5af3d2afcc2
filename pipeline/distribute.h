// Items (photos) spread over several workers (devices): each takes the next item when it is done with its last one.
#pragma once
#include <cstddef>
#include <functional>

#include "runtime/status.h"

namespace gpen {

struct Distribution {
  size_t items = 0;
  size_t workers = 1;  // at least 1
  // Does an item; different workers at the same time, the items of one worker one after the other, in order. False:
  // this worker should get no more (its device is lost). It is heeded as long as another worker is left, so that no
  // item stays undone.
  std::function<bool(size_t item, size_t worker)> work;
  // Optional: the item is done. Called in the order of the items, whoever was first, and never twice at the same time.
  std::function<void(size_t item)> finished;
  // Optional: whether to take no more items. Asked before each, never twice at the same time.
  std::function<bool()> stop;
};

// Returns when all work has ended: how many items were done, which are the first so many, each with its finished().
// Worker 0 is the calling thread; no thread is started for one worker or one item, and where the system starts no more
// threads the workers there are do everything.
// The functions may throw std::bad_alloc and nothing else: no item is taken after that, every thread ends, and
// Code::memory is returned.
Result<size_t> distribute(const Distribution& distribution);

}  // namespace gpen
