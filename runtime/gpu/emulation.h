// The machinery of the emulation of CUDA's execution model on the host: scheduler, barriers, warp collectives.
// Kernels include gpu.h; tests use settings(), statistics() and the guarded memory of emulation_memory.h.
//
// Every thread of a block is a fiber. The fibers of one block run on one OS thread, one at a time, and change over only
// at barriers and warp collectives: results are reproducible, a barrier costs a few nanoseconds per thread, and a
// thread that runs ahead of a missing barrier sees its neighbours' work not done. Each warp runs as far as the barriers
// allow before the next one starts. Shared memory is filled with NaN before each block.
//
// Not emulated: clusters, TMA, wgmma, cooperative groups, named barriers, textures. A kernel that spins on memory
// hangs; a missing __threadfence() is not seen; races between blocks are seen (by ThreadSanitizer) only across OS
// threads.
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/gpu/emulation_fiber.h"
#include "runtime/gpu/emulation_memory.h"
#include "runtime/gpu/emulation_types.h"
#include "runtime/status.h"

namespace gpen::gpu::emulation {

namespace cuda_names {
// Set on every change of fibers.
inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim{}, gridDim{};
}  // namespace cuda_names

// What a test may vary: the order in which blocks, warps and lanes run, and the number of OS threads.
enum class Order { forward, reversed, random };
struct Settings {
  Order order = Order::forward;
  unsigned seed = 0;
  int workers = 1;
};
Settings& settings();

struct Statistics {
  std::atomic<uint64_t> blocks{0}, switches{0};
  std::atomic<uint64_t> bank_conflicts{0};  // wasted shared-memory cycles of ldmatrix
};
Statistics& statistics();

// What the emulation finds wrong with a kernel, with the block, the threads and the places.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr size_t kMaxSharedBytes = 227 * 1024;
constexpr unsigned kWarpSize = 32;
constexpr uint32_t kFullWarp = 0xffffffffu;

// Where a thread waits: the primitive's name and the line of the kernel that called it.
struct Site {
  const char* what = "";
  const char* file = "";
  int line = 0;
  bool operator==(const Site& o) const;
  std::string text() const;
};

struct Fiber {
  enum class State { ready, at_barrier, in_collective, finished };
  State state = State::finished;
  FiberStack stack;
  void* fake_stack = nullptr;  // ASan's
  void* tsan_fiber = nullptr;
  uint3 thread_index{};
  unsigned number = 0;  // in the block; lane and warp follow from it
  unsigned barriers = 0;
  Site where;
  struct PendingCopy {
    uint4* to;
    uint4 data;
    unsigned group;
  };
  std::vector<PendingCopy> copies;  // cp.async in flight, in the order of their groups
  unsigned copy_group = 0;
};

// One OS thread's emulated multiprocessor: runs one block at a time.
class Worker {
 public:
  static Worker& current();
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Throws Error.
  void run_block(dim3 grid, dim3 block, uint3 index, size_t shared_bytes, const std::function<void()>& body,
                 std::mt19937& random);

  // The rest is called by the kernel's threads.
  unsigned lane() const { return running_->number % kWarpSize; }
  unsigned char* dynamic_shared() const { return shared_.data(); }
  // From now on each block starts with this static array poisoned.
  void enrol_static_shared(void* memory, size_t bytes);
  void barrier(const Site& where);
  // Orders the lanes' memory accesses for the race detector, too.
  void sync_warp(uint32_t mask, const Site& where);
  void start_copy(uint4* to, const uint4& data);
  void commit_copies() { ++running_->copy_group; }
  void deliver_copies(unsigned pending);
  // Reports an error of the running thread and ends it.
  [[noreturn]] void fail_now(const std::string& message);

  // All lanes of `mask` meet; the last one to come calls combine(mask, inputs, outputs) for all of them, where inputs
  // and outputs are arrays of 32 pointers, null for lanes outside of the mask.
  template <class Out, class In, class Combine>
  Out collective(uint32_t mask, const Site& where, const In& in, Combine combine) {
    const InternalScope internal;
    Out out{};
    meet(mask, where, &in, &out, [&](uint32_t present, const void* const* from, void* const* to) {
      std::array<const In*, kWarpSize> inputs;
      std::array<Out*, kWarpSize> outputs;
      for (unsigned i = 0; i < kWarpSize; ++i) {
        inputs[i] = static_cast<const In*>(from[i]);
        outputs[i] = static_cast<Out*>(to[i]);
      }
      combine(present, inputs, outputs);
    });
    return out;
  }

 private:
  using Combination = std::function<void(uint32_t mask, const void* const* in, void* const* out)>;
  // Lanes that meet in a warp collective. Groups that exist at the same time have disjoint masks, so the lowest lane
  // names a group.
  struct Group {
    uint32_t mask = 0, arrived = 0;
    Site where;
    const void* in[kWarpSize];
    void* out[kWarpSize];
  };
  struct StaticShared {
    void* memory;
    size_t bytes;
  };

  void meet(uint32_t mask, const Site& where, const void* in, void* out, const Combination& combine);
  void wait();
  void fail(const std::string& message);
  void add_fiber();
  static void fiber_main();
  void resume(Fiber& fiber);
  void suspend();
  void schedule(std::mt19937& random);
  bool release_barrier();
  std::string divergence() const;

  GuardedBytes shared_{kMaxSharedBytes};
  std::vector<StaticShared> static_shared_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Group> groups_;
  std::vector<unsigned> warp_order_, lane_order_;
  unsigned threads_ = 0;
  Fiber* running_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::string failure_;
  uint64_t switches_ = 0;
  FiberContext scheduler_;
  // For the sanitizers. Of the tags only the addresses matter.
  [[maybe_unused]] void* scheduler_fake_stack_ = nullptr;
  [[maybe_unused]] const void* scheduler_stack_ = nullptr;
  [[maybe_unused]] size_t scheduler_stack_bytes_ = 0;
  [[maybe_unused]] void* tsan_fiber_ = nullptr;
  [[maybe_unused]] char begin_ = 0, end_ = 0, barrier_[2] = {}, warp_tags_[kWarpSize] = {};
};

// Runs body() as every thread of the grid. together: every block on an OS thread of its own, so that they may wait for
// one another. Throws Error.
void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body, bool together = false);
// Lets another OS thread run; throws Error when a block of a grid that runs together has failed.
void pause();

// run_grid(), with errors in words: Code::internal with the kernel's name and the launch's place. shared_limit is the
// device's.
Status run_kernel(const char* name, const char* file, int line, dim3 grid, dim3 block, size_t shared_bytes,
                  size_t shared_limit, const std::function<void()>& body, bool together = false);

}  // namespace gpen::gpu::emulation
