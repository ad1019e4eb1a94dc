// fiber.cc: switching stacks by hand, on x86-64 and AArch64 (System V and AAPCS64 calling conventions).
#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Pushes the registers that a call preserves, stores the stack pointer in *from, takes `to` for it and pops them again.
extern "C" void qlora_fiber_switch(void** from, void* to);
#if defined(__APPLE__)
#define SYMBOL "_qlora_fiber_switch"
#else
#define SYMBOL "qlora_fiber_switch"
#endif

#if defined(__x86_64__)
asm(".text\n.globl " SYMBOL "\n" SYMBOL R"(:
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
  retq
)");
#elif defined(__aarch64__)
asm(".text\n.globl " SYMBOL "\n" SYMBOL R"(:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#else
#error "cuda-emu has no fiber switch for this processor"
#endif
#if defined(__ELF__)
asm(".hidden qlora_fiber_switch\n.type qlora_fiber_switch, %function\n");
#endif

namespace qlora::emu {
namespace {
size_t guard_bytes() { return size_t(sysconf(_SC_PAGESIZE)); }
}  // namespace

Stacks::~Stacks() {
  if (base_) munmap(base_, most * (stack_bytes + guard_bytes()));
}

char* Stacks::take() {
  const size_t pitch = stack_bytes + guard_bytes();
  if (!base_) {
    void* p = mmap(nullptr, most * pitch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::perror("cuda-emu: stacks"), std::abort();
    base_ = static_cast<char*>(p);
    for (size_t i = most; i-- > 0;) {
      mprotect(base_ + i * pitch, guard_bytes(), PROT_NONE);
      free_[count_++] = base_ + i * pitch + guard_bytes();
    }
  }
  return free_[--count_];
}

void Stacks::give(char* stack) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, stack_bytes);  // the frames that its last owner left
#endif
  free_[count_++] = stack;
}

void prepare(Fiber& fiber, char* stack, void (*entry)()) {
  fiber.stack = stack;
  fiber.stack_size = stack_bytes;
  // Equal offsets on equally aligned stacks would compete for the same lines of the first-level cache: spread them.
  const size_t colour = reinterpret_cast<uintptr_t>(stack) / stack_bytes % 61 * 64;
  auto** top = reinterpret_cast<void**>(stack + stack_bytes - colour);
#if defined(__x86_64__)
  top[-2] = reinterpret_cast<void*>(entry);  // popped by ret; the stack is then as it is after a call
  top[-1] = nullptr;
  top -= 8;
  std::memset(top, 0, 48);
#else
  top -= 20;
  std::memset(top, 0, 160);
  top[11] = reinterpret_cast<void*>(entry);  // x30, where ret goes
#endif
  fiber.resume = top;
}

void switch_to(Fiber& from, Fiber& to, [[maybe_unused]] bool done) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(done ? nullptr : &from.shadow, to.stack, to.stack_size);
#endif
  qlora_fiber_switch(&from.resume, to.resume);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.shadow, nullptr, nullptr);
#endif
}

void arrived([[maybe_unused]] Fiber& origin) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (!origin.stack_size) origin.stack = static_cast<char*>(const_cast<void*>(bottom)), origin.stack_size = size;
#endif
}

}  // namespace qlora::emu
