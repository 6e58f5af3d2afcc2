#include "runtime/workspace.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "runtime/limits.h"

namespace gpen {

namespace {
constexpr size_t kAlign = 64;  // on the host
constexpr size_t kDeviceAlign = 256;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kMostSpare = 4;  // a block up to so many times larger than needed is kept
size_t round_up(size_t v, size_t a) { return (v + a - 1) / a * a; }
}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const bool large = bytes >= 2 * kHugePage;
  data_ = std::aligned_alloc(large ? kHugePage : kAlign, round_up(bytes, large ? kHugePage : kAlign));
  if (data_ == nullptr) bytes_ = 0;
#ifdef MADV_HUGEPAGE
  // Only whole ones: a huge page for the rest would be resident beyond the end.
  if (data_ != nullptr && large) madvise(data_, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

void Workspace::begin_plan() {
  planning_ = true;
  step_ = 0;
  cursor_ = 0;
  peak_ = 0;
  slots_.clear();
}

void Workspace::release() {
  begin_plan();
  block_ = AlignedBuffer();
  device_block_ = DeviceBuffer();
}

float* Workspace::take(size_t floats, Handle* handle) {
  if (planning_) {
    handle->id = static_cast<int>(slots_.size());
    // On the host 64 spare bytes: vector kernels may read (never write) one vector past the end of a row.
    const size_t bytes = floats * sizeof(float);
    slots_.push_back({device_ != nullptr ? round_up(bytes, kDeviceAlign) : round_up(bytes + kAlign, kAlign), 0, step_++,
                      std::numeric_limits<int>::max()});
    return nullptr;
  }
  handle->id = static_cast<int>(cursor_);
  float* const memory = device_ != nullptr ? device_block_.floats() : block_.floats();
  return memory + slots_[cursor_++].offset / sizeof(float);
}

void Workspace::give_back(Handle handle) {
  if (planning_) slots_[static_cast<size_t>(handle.id)].last = step_++;
}

// Greedy by size (Pisarchyk and Lee 2020): place the largest buffer first, each at the lowest offset that is free
// during its whole life.
void Workspace::place() {
  std::vector<size_t> order(slots_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return slots_[a].bytes > slots_[b].bytes; });
  std::vector<size_t> placed;
  for (size_t i : order) {
    Slot& s = slots_[i];
    std::vector<std::pair<size_t, size_t>> busy;
    for (size_t j : placed)
      if (slots_[j].first <= s.last && s.first <= slots_[j].last)
        busy.emplace_back(slots_[j].offset, slots_[j].offset + slots_[j].bytes);
    std::sort(busy.begin(), busy.end());
    size_t at = 0;
    for (const auto& [begin, end] : busy) {
      if (begin >= at + s.bytes) break;
      at = std::max(at, end);
    }
    s.offset = at;
    peak_ = std::max(peak_, at + s.bytes);
    placed.push_back(i);
  }
  planning_ = false;
}

Status Workspace::finish_plan() {
  place();
  // Fresh memory is cleared page by page by the system, up to a tenth of a run's time: batches of two faces, then
  // three, then two again stay in the same block. One picture that needed far more does not keep it for ever.
  if (block_bytes() >= peak_ && block_bytes() / kMostSpare <= peak_) return Status();
  block_ = AlignedBuffer();
  device_block_ = DeviceBuffer();
  if (device_ != nullptr) {
    auto block = DeviceBuffer::make(device_, peak_);
    if (!block.ok()) return block.status().in("the network's activations");
    device_block_ = std::move(block).value();
    return Status();
  }
  // Linux promises memory that it does not have, and kills the program when it is touched: asked here, it is an error.
  constexpr size_t kAlwaysTried = size_t{64} << 20;
  if (const size_t available = available_memory(); peak_ > kAlwaysTried && peak_ > available)
    return fail(Code::memory, "the network's activations need ", peak_ >> 20, " MiB, ", available >> 20,
                " MiB of memory are free");
  block_ = AlignedBuffer(peak_);
  if (peak_ > 0 && block_.data() == nullptr)
    return fail(Code::memory, "cannot allocate ", peak_ >> 20, " MiB for the network's activations");
  return Status();
}

}  // namespace gpen
