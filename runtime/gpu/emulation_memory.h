// Memory in which the emulation notices wrong accesses, and its connection to the sanitizers.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

// Calls of the sanitizers' libraries; nothing in a build without them.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GPEN_EMULATION_ASAN 1
#elif __has_feature(thread_sanitizer)
#define GPEN_EMULATION_TSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GPEN_EMULATION_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define GPEN_EMULATION_TSAN 1
#endif
#ifdef GPEN_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define GPEN_IF_ASAN(...) __VA_ARGS__
#else
#define GPEN_IF_ASAN(...)
#endif
#ifdef GPEN_EMULATION_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreReadsBegin(const char*, int);
extern "C" void AnnotateIgnoreReadsEnd(const char*, int);
extern "C" void AnnotateIgnoreWritesBegin(const char*, int);
extern "C" void AnnotateIgnoreWritesEnd(const char*, int);
#define GPEN_IF_TSAN(...) __VA_ARGS__
#else
#define GPEN_IF_TSAN(...)
#endif

namespace gpen::gpu::emulation {

constexpr unsigned char kPoison = 0xff;     // Bytes 0xff are a NaN in every floating-point type, -1 as an integer.
constexpr size_t kGuardBytes = 8192;        // More than one block of a simple kernel can overshoot.
constexpr size_t kGuardedAlignment = 1024;  // The start of guarded memory.

// The emulation's own bookkeeping is shared by all fibers on purpose: hides it from the race detector.
struct InternalScope {
  InternalScope() { GPEN_IF_TSAN(AnnotateIgnoreReadsBegin(__FILE__, 0); AnnotateIgnoreWritesBegin(__FILE__, 0);) }
  ~InternalScope() { GPEN_IF_TSAN(AnnotateIgnoreWritesEnd(__FILE__, 0); AnnotateIgnoreReadsEnd(__FILE__, 0);) }
  InternalScope(const InternalScope&) = delete;
  InternalScope& operator=(const InternalScope&) = delete;
};

// Memory with guard zones on both sides: intact() tells whether they were written; ASan forbids any access to them.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t size)
      : storage_(
            static_cast<unsigned char*>(::operator new(size + 2 * kGuardBytes, std::align_val_t(kGuardedAlignment)))) {
    resize(size);
  }
  ~GuardedBytes() {
    GPEN_IF_ASAN(__asan_unpoison_memory_region(storage_, size_ + 2 * kGuardBytes);)
    ::operator delete(storage_, std::align_val_t(kGuardedAlignment));
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  // Moves the end of the usable part (never beyond the size given first) and poisons all of it.
  void resize(size_t size) {
    size_ = size;
    GPEN_IF_ASAN(__asan_unpoison_memory_region(storage_, size + 2 * kGuardBytes);)
    std::memset(storage_, kPoison, size + 2 * kGuardBytes);
    GPEN_IF_ASAN(__asan_poison_memory_region(storage_, kGuardBytes);)
    GPEN_IF_ASAN(__asan_poison_memory_region(data() + size, kGuardBytes);)
  }
  unsigned char* data() const { return storage_ + kGuardBytes; }
  size_t size() const { return size_; }
  bool intact() const {
#ifndef GPEN_EMULATION_ASAN  // There the guards cannot be written unnoticed, nor read here.
    for (size_t i = 0; i < kGuardBytes; ++i)
      if (storage_[i] != kPoison || data()[size_ + i] != kPoison) return false;
#endif
    return true;
  }

 private:
  unsigned char* storage_;
  size_t size_ = 0;
};

// A kernel's global memory in a test: unwritten elements are NaN, and accesses outside are noticed.
template <class T>
class GuardedArray {
 public:
  explicit GuardedArray(size_t count) : bytes_(std::make_unique<GuardedBytes>(count * sizeof(T))), count_(count) {}
  T* data() const { return reinterpret_cast<T*>(bytes_->data()); }
  T& operator[](size_t index) const { return data()[index]; }
  size_t size() const { return count_; }
  bool intact() const { return bytes_->intact(); }

 private:
  std::unique_ptr<GuardedBytes> bytes_;
  size_t count_;
};

}  // namespace gpen::gpu::emulation
