#include "runtime/gpu/emulation.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

namespace gpen::gpu::emulation {
namespace {

struct Unwind {};  // Thrown in the waiting threads of a block that has failed.

std::string text(uint3 i) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "(%u,%u,%u)", i.x, i.y, i.z);
  return buffer;
}

// 0 .. count - 1 in the order that the settings ask for.
template <class T>
void arrange(std::vector<T>& order, uint64_t count, std::mt19937& random) {
  order.resize(count);
  std::iota(order.begin(), order.end(), T{0});
  if (settings().order == Order::reversed) std::reverse(order.begin(), order.end());
  if (settings().order == Order::random) std::shuffle(order.begin(), order.end(), random);
}

}  // namespace

Settings& settings() {
  static Settings instance;
  return instance;
}
Statistics& statistics() {
  static Statistics instance;
  return instance;
}

bool Site::operator==(const Site& o) const {
  const auto same = [](const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; };
  return line == o.line && same(what, o.what) && same(file, o.file);
}
std::string Site::text() const { return std::string(what) + " at " + file + ":" + std::to_string(line); }

Worker& Worker::current() {
  static thread_local Worker instance;
  return instance;
}
Worker::Worker() { GPEN_IF_TSAN(tsan_fiber_ = __tsan_get_current_fiber();) }
Worker::~Worker() {
  const InternalScope internal;
  GPEN_IF_TSAN(for (auto& f : fibers_) __tsan_destroy_fiber(f->tsan_fiber);)
  fibers_.clear();
}

void Worker::run_block(dim3 grid, dim3 block, uint3 index, size_t shared_bytes, const std::function<void()>& body,
                       std::mt19937& random) {
  const InternalScope internal;
  const unsigned threads = block.x * block.y * block.z;
  while (fibers_.size() < threads) add_fiber();
  gridDim = grid;
  blockDim = block;
  blockIdx = index;
  body_ = &body;
  failure_.clear();
  threads_ = threads;
  shared_.resize(shared_bytes);
  for (const StaticShared& s : static_shared_) std::memset(s.memory, kPoison, s.bytes);
  groups_.assign((threads + kWarpSize - 1) / kWarpSize * kWarpSize, {});
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& f = *fibers_[i];
    f.state = Fiber::State::ready;
    f.thread_index = make_uint3(i % block.x, i / block.x % block.y, i / (block.x * block.y));
    f.barriers = 0;
    f.copies.clear();
    f.copy_group = 0;
  }
  GPEN_IF_TSAN(__tsan_release(&begin_);)
  do {
    schedule(random);
  } while (release_barrier());
  GPEN_IF_TSAN(__tsan_acquire(&end_);)
  if (failure_.empty() && !shared_.intact()) fail("an access outside of the dynamic shared memory");
  statistics().blocks += 1;
  statistics().switches += std::exchange(switches_, 0);
  if (!failure_.empty()) throw Error("block " + text(index) + ": " + failure_);
}

// Lets every thread run until it waits at a barrier or ends, one warp after the other.
void Worker::schedule(std::mt19937& random) {
  arrange(warp_order_, (threads_ + kWarpSize - 1) / kWarpSize, random);
  arrange(lane_order_, kWarpSize, random);
  for (const unsigned warp : warp_order_)
    for (bool progress = true; progress;) {
      progress = false;
      for (const unsigned l : lane_order_) {
        const unsigned number = warp * kWarpSize + l;
        if (number >= threads_ || fibers_[number]->state != Fiber::State::ready) continue;
        resume(*fibers_[number]);
        progress = true;
      }
    }
}

// When no thread can go on: opens the barrier if all are there. Returns false at the block's end.
bool Worker::release_barrier() {
  unsigned at_barrier = 0, finished = 0;
  bool same = true;
  for (unsigned i = 0; i < threads_; ++i) {
    at_barrier += fibers_[i]->state == Fiber::State::at_barrier;
    finished += fibers_[i]->state == Fiber::State::finished;
    same &= fibers_[i]->where == fibers_[0]->where;
  }
  if (finished == threads_) return false;
  if (at_barrier != threads_ || !same) fail(divergence());
  for (unsigned i = 0; i < threads_; ++i)  // After a failure: to unwind their stacks.
    if (fibers_[i]->state != Fiber::State::finished) fibers_[i]->state = Fiber::State::ready;
  return true;
}

std::string Worker::divergence() const {
  struct Place {
    std::string text;
    unsigned first, count;
  };
  std::vector<Place> places;
  for (unsigned i = 0; i < threads_; ++i) {
    const Fiber& f = *fibers_[i];
    const std::string place = f.state == Fiber::State::finished ? "have ended" : "wait in " + f.where.text();
    const auto found = std::find_if(places.begin(), places.end(), [&](const Place& p) { return p.text == place; });
    if (found == places.end())
      places.push_back({place, i, 1});
    else
      ++found->count;
  }
  std::string message = "threads diverge";
  for (const Place& p : places) {
    message += p.first == places.front().first ? ": " : "; ";
    message += std::to_string(p.count) + " thread(s) from " + emulation::text(fibers_[p.first]->thread_index) + " on ";
    message += p.text;
  }
  return message;
}

void Worker::enrol_static_shared(void* memory, size_t bytes) {
  const InternalScope internal;
  std::memset(memory, kPoison, bytes);
  static_shared_.push_back({memory, bytes});
}

// Waits in the state that the thread has given itself until the scheduler has made it ready again.
void Worker::wait() {
  suspend();
  if (!failure_.empty()) throw Unwind{};
}

void Worker::barrier(const Site& where) {
  const InternalScope internal;
  Fiber& f = *running_;
  f.state = Fiber::State::at_barrier;
  f.where = where;
  // Two tags in turn: a fast thread may reach the next barrier before a slow one has left this one.
  [[maybe_unused]] char* tag = &barrier_[f.barriers++ % 2];
  GPEN_IF_TSAN(__tsan_release(tag);)
  wait();
  GPEN_IF_TSAN(__tsan_acquire(tag);)
}

void Worker::sync_warp(uint32_t mask, const Site& where) {
  [[maybe_unused]] char* tag = &warp_tags_[running_->number / kWarpSize];
  GPEN_IF_TSAN(__tsan_release(tag);)
  collective<int>(mask, where, 0, [](auto, auto&, auto&) {});
  GPEN_IF_TSAN(__tsan_acquire(tag);)
}

void Worker::meet(uint32_t mask, const Site& where, const void* in, void* out, const Combination& combine) {
  Fiber& f = *running_;
  const unsigned first = f.number - lane();
  const unsigned present = std::min(kWarpSize, threads_ - first);
  if (present < kWarpSize) mask &= (1u << present) - 1;
  if (!(mask >> lane() & 1)) fail_now(where.text() + ": the calling lane is not in the mask");
  Group& group = groups_[first + static_cast<unsigned>(std::countr_zero(mask))];
  if (group.arrived != 0 && !(group.where == where))
    fail_now("lanes of one warp meet in " + where.text() + " and in " + group.where.text());
  if (group.arrived != 0 && group.mask != mask)
    fail_now("lanes of one warp meet in " + where.text() + " with different masks");
  group.mask = mask;
  group.where = f.where = where;
  group.arrived |= 1u << lane();
  group.in[lane()] = in;
  group.out[lane()] = out;
  if (group.arrived != mask) {
    f.state = Fiber::State::in_collective;
    wait();
    return;
  }
  for (unsigned i = 0; i < kWarpSize; ++i)
    if (!(mask >> i & 1)) {
      group.in[i] = nullptr;
      group.out[i] = nullptr;
    }
  combine(mask, group.in, group.out);
  group.arrived = 0;
  for (unsigned i = 0; i < kWarpSize; ++i)
    if (mask >> i & 1) fibers_[first + i]->state = Fiber::State::ready;
}

void Worker::start_copy(uint4* to, const uint4& data) {
  const InternalScope internal;
  running_->copies.push_back({to, data, running_->copy_group});
}

void Worker::deliver_copies(unsigned pending) {
  Fiber& f = *running_;
  auto rest = f.copies.begin();
  for (; rest != f.copies.end() && rest->group + pending < f.copy_group; ++rest) *rest->to = rest->data;
  f.copies.erase(f.copies.begin(), rest);
}

void Worker::fail(const std::string& message) {
  if (failure_.empty()) failure_ = message;
}

void Worker::fail_now(const std::string& message) {
  const InternalScope internal;
  fail("thread " + text(running_->thread_index) + ": " + message);
  throw Unwind{};
}

void Worker::add_fiber() {
  auto f = std::make_unique<Fiber>();
  f->number = static_cast<unsigned>(fibers_.size());
  f->stack.start(&fiber_main);
  GPEN_IF_TSAN(f->tsan_fiber = __tsan_create_fiber(0);)
  fibers_.push_back(std::move(f));
}

// A fiber's life: one kernel thread after another.
void Worker::fiber_main() {
  Worker& w = current();
  GPEN_IF_ASAN(__sanitizer_finish_switch_fiber(nullptr, &w.scheduler_stack_, &w.scheduler_stack_bytes_);)
  for (;;) {
    GPEN_IF_TSAN(__tsan_acquire(&w.begin_);)
    try {
      if (w.failure_.empty()) (*w.body_)();
    } catch (const Unwind&) {
    } catch (const std::exception& e) {
      const InternalScope internal;
      w.fail("thread " + text(w.running_->thread_index) + ": " + e.what());
    }
    GPEN_IF_TSAN(__tsan_release(&w.end_);) {
      const InternalScope internal;
      w.running_->state = Fiber::State::finished;
    }
    w.suspend();
  }
}

void Worker::resume(Fiber& f) {
  running_ = &f;
  threadIdx = f.thread_index;
  ++switches_;
  GPEN_IF_ASAN(__sanitizer_start_switch_fiber(&scheduler_fake_stack_, f.stack.memory(), FiberStack::kBytes);)
  GPEN_IF_TSAN(__tsan_switch_to_fiber(f.tsan_fiber, __tsan_switch_to_fiber_no_sync);)
  scheduler_.switch_to(f.stack.context());
  GPEN_IF_ASAN(__sanitizer_finish_switch_fiber(scheduler_fake_stack_, nullptr, nullptr);)
}

void Worker::suspend() {
  Fiber& f = *running_;
  GPEN_IF_ASAN(__sanitizer_start_switch_fiber(&f.fake_stack, scheduler_stack_, scheduler_stack_bytes_);)
  GPEN_IF_TSAN(__tsan_switch_to_fiber(tsan_fiber_, __tsan_switch_to_fiber_no_sync);)
  f.stack.context().switch_to(scheduler_);
  GPEN_IF_ASAN(__sanitizer_finish_switch_fiber(f.fake_stack, nullptr, nullptr);)
}

namespace {
std::atomic<bool> block_failed{false};
}

void pause() {
  if (block_failed) throw Error("another block has failed");
  std::this_thread::yield();
}

void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body, bool together) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z, blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024)
    throw Error("block of " + text(block) + " threads");
  if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    throw Error("grid of " + text(grid) + " blocks");
  if (shared_bytes > kMaxSharedBytes) throw Error(std::to_string(shared_bytes) + " bytes of shared memory");
  std::vector<uint64_t> sequence;
  std::mt19937 grid_random(settings().seed);
  arrange(sequence, blocks, grid_random);
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  block_failed = false;
  const auto work = [&] {
    for (uint64_t i; (i = next++) < blocks;) {
      const uint64_t b = sequence[i];
      std::mt19937 random(static_cast<unsigned>(settings().seed + b));
      const uint3 index = make_uint3(static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                                     static_cast<unsigned>(b / grid.x / grid.y));
      try {
        Worker::current().run_block(grid, block, index, shared_bytes, body, random);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = blocks;
        block_failed = true;
      }
    }
  };
  std::vector<std::thread> helpers;
  try {
    const auto workers = together ? blocks : static_cast<uint64_t>(settings().workers);
    for (uint64_t i = 1; i < workers; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // Fewer threads do as well, unless the blocks wait for one another.
    if (together) {
      block_failed = true;
      for (std::thread& t : helpers) t.join();
      throw Error("no OS thread for each of " + std::to_string(blocks) + " blocks");
    }
  }
  work();
  for (std::thread& t : helpers) t.join();
  if (failure) std::rethrow_exception(failure);
}

Status run_kernel(const char* name, const char* file, int line, dim3 grid, dim3 block, size_t shared_bytes,
                  size_t shared_limit, const std::function<void()>& body, bool together) {
  const auto error = [&](Code code, const char* what) { return fail(code, name, " (", file, ":", line, "): ", what); };
  if (shared_bytes > shared_limit)
    return error(Code::internal, concat(shared_bytes, " of ", shared_limit, " bytes of shared memory").c_str());
  try {
    run_grid(grid, block, shared_bytes, body, together);
    return {};
  } catch (const Error& e) {
    return error(Code::internal, e.what());
  } catch (const std::bad_alloc&) {
    return error(Code::memory, "the emulation is out of memory");
  }
}

}  // namespace gpen::gpu::emulation
