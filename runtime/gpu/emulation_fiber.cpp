#include "runtime/gpu/emulation_fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "runtime/gpu/emulation_memory.h"

#ifndef GPEN_EMULATION_UCONTEXT
// void gpen_emulation_switch_stack(void** save_stack_pointer, void* load_stack_pointer)
extern "C" void gpen_emulation_switch_stack(void** save_stack_pointer, void* load_stack_pointer);
asm(R"(
.text
.globl gpen_emulation_switch_stack
.hidden gpen_emulation_switch_stack
.type gpen_emulation_switch_stack, @function
gpen_emulation_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gpen_emulation_switch_stack, . - gpen_emulation_switch_stack
)");
#endif

namespace gpen::gpu::emulation {

#ifdef GPEN_EMULATION_UCONTEXT

void FiberContext::start_at(char* stack, size_t bytes, void (*entry)()) {
  getcontext(&state_);
  state_.uc_stack.ss_sp = stack;
  state_.uc_stack.ss_size = bytes;
  state_.uc_link = nullptr;
  makecontext(&state_, entry, 0);
}
void FiberContext::switch_to(FiberContext& next) { swapcontext(&state_, &next.state_); }

#else

void FiberContext::start_at(char* stack, size_t bytes, void (*entry)()) {
  void** top = reinterpret_cast<void**>(stack + bytes) - 2;  // Aligned as after a call instruction.
  *top = reinterpret_cast<void*>(entry);
  stack_pointer_ = top - 6;  // Six registers of no importance.
}
void FiberContext::switch_to(FiberContext& next) { gpen_emulation_switch_stack(&stack_pointer_, next.stack_pointer_); }

#endif

FiberStack::FiberStack() {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  // Stacks grow down into this page.
  if (mprotect(memory, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE) != 0) {
    munmap(memory, kBytes);
    throw std::bad_alloc();
  }
}
FiberStack::~FiberStack() {
  // What the sanitizer has marked of a stack would stay marked in whatever is mapped here next.
  GPEN_IF_ASAN(__asan_unpoison_memory_region(memory_, kBytes);)
  munmap(memory_, kBytes);
}

}  // namespace gpen::gpu::emulation
