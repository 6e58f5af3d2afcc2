// The arena of a network: all activations and scratch live in one block of memory whose layout is planned once.
//
// A network writes its forward() once, as a straight line of take() and give_back() around its kernels. It is first run
// dry: the workspace only records sizes and life times, and the layers skip their kernels (Exec::dry). finish_plan()
// then places all buffers so that those alive at the same time do not overlap, and later runs replay the same sequence
// against real memory: no allocation happens in them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/device.h"
#include "runtime/precision.h"
#include "runtime/status.h"
#include "runtime/tensor.h"
#include "runtime/thread_pool.h"

namespace gpen {

static_assert(sizeof(size_t) >= 8, "sizes are computed in 64 bits");

// 64-byte aligned memory, advised to use huge pages when large; not cleared. Null data when out of memory.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);
  AlignedBuffer(AlignedBuffer&& o) noexcept { swap(o); }
  AlignedBuffer& operator=(AlignedBuffer&& o) noexcept {
    swap(o);
    return *this;
  }
  ~AlignedBuffer();
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void swap(AlignedBuffer& o) {
    std::swap(data_, o.data_);
    std::swap(bytes_, o.bytes_);
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

class Workspace {
 public:
  struct Handle {
    int id = -1;
  };
  // Where the block lies: on the device, or in the host's memory (null).
  explicit Workspace(std::shared_ptr<Device> device = nullptr) : device_(std::move(device)) {}

  void begin_plan();  // forget all buffers, start recording
  // Place the buffers in the block of the plan before, or, where that is too small or far too large, in a new one
  // (Code::memory when it is not free; there is no block then).
  Status finish_plan();
  void release();  // forget all buffers, give the block back
  void place();    // place the buffers only: afterwards peak_bytes() is known, nothing is allocated
  void begin_run() { cursor_ = 0; }
  bool planning() const { return planning_; }

  // The next buffer of the sequence; data is null while planning. take() and give_back() must come in the same order
  // in every run. The content of a fresh buffer is undefined.
  float* take(size_t floats, Handle* handle);
  void give_back(Handle handle);
  TensorView tensor(int64_t n, int64_t c, int64_t h, int64_t w, Layout layout, Handle* handle,
                    ElementType type = ElementType::f32) {
    TensorView v = make_view(nullptr, n, c, h, w, layout, type);
    v.data = take(static_cast<size_t>(ceil_div(n * v.image_size() * size_of(type), size_of(ElementType::f32))), handle);
    return v;
  }
  size_t peak_bytes() const { return peak_; }  // that the plan needs
  // That are held.
  size_t block_bytes() const { return device_ != nullptr ? device_block_.bytes() : block_.bytes(); }

 private:
  struct Slot {
    size_t bytes, offset;
    int first, last;  // life time in recorded steps, inclusive
  };
  bool planning_ = false;
  int step_ = 0;
  size_t cursor_ = 0, peak_ = 0;
  std::vector<Slot> slots_;
  std::shared_ptr<Device> device_;
  AlignedBuffer block_;
  DeviceBuffer device_block_;
};

// What every layer's forward() needs: threads, memory, whether this is the dry run, and, on a device, which one and how
// it stores activations. With a device all tensors, vectors and weights are in its memory.
struct Exec {
  ThreadPool& pool;
  Workspace& ws;
  Device* device = nullptr;
  ElementType type = ElementType::f32;
  bool dry() const { return ws.planning(); }
  // Of activations.
  Layout layout() const { return device != nullptr ? Layout::nhwc : Layout::nchw16c; }
  // An activation in the layout of the processor; undefined content.
  TensorView activation(int64_t n, int64_t c, int64_t h, int64_t w, Workspace::Handle* handle) {
    return ws.tensor(n, c, h, w, layout(), handle, type);
  }
};

// Where a network's weights go and how it computes: on the processor's threads, or on the device (which the threads
// pack for).
struct Placement {
  ThreadPool& pool;
  std::shared_ptr<Device> device;
  Precision precision;
  Placement(ThreadPool& threads, std::shared_ptr<Device> on = nullptr, Precision how = Precision::fp32)
      : pool(threads), device(std::move(on)), precision(how) {}
};

}  // namespace gpen
