// A stack of its own and the change from one to another.
//
// swapcontext() would do, but it makes a system call for the signal mask on each change; on x86-64 six registers and a
// stack pointer are all that the calling convention asks to keep. Other processors use swapcontext(): the emulation is
// about 6 times slower there. -DGPEN_EMULATION_UCONTEXT chooses that everywhere.
#pragma once
#include <cstddef>

#if !defined(__x86_64__) || defined(GPEN_EMULATION_UCONTEXT)
#ifndef GPEN_EMULATION_UCONTEXT
#define GPEN_EMULATION_UCONTEXT
#endif
#include <ucontext.h>
#endif

namespace gpen::gpu::emulation {

// What is kept of a fiber that does not run.
class FiberContext {
 public:
  void start_at(char* stack, size_t bytes, void (*entry)());
  // Returns when another context switches back to this one.
  void switch_to(FiberContext& next);

 private:
#ifdef GPEN_EMULATION_UCONTEXT
  ucontext_t state_;
#else
  void* stack_pointer_ = nullptr;
#endif
};

// The context with its stack, which ends in a page that must not be touched.
class FiberStack {
 public:
  static constexpr size_t kBytes = 256 * 1024;
  FiberStack();  // std::bad_alloc
  ~FiberStack();
  FiberStack(const FiberStack&) = delete;
  FiberStack& operator=(const FiberStack&) = delete;
  // The first change to it calls entry(), which must not return.
  void start(void (*entry)()) { context_.start_at(memory_, kBytes, entry); }
  FiberContext& context() { return context_; }
  const void* memory() const { return memory_; }

 private:
  char* memory_;
  FiberContext context_;
};

}  // namespace gpen::gpu::emulation
