// fiber.h: a stack and a place to continue on it. Switching costs a few nanoseconds and no system call.
#pragma once
#include <cstddef>

namespace qlora::emu {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr size_t stack_bytes = 256 * 1024;  // AddressSanitizer's frames are larger
#else
inline constexpr size_t stack_bytes = 64 * 1024;
#endif

struct Fiber {
  void* resume = nullptr;  // its stack pointer while it is suspended; null: not started
  char* stack = nullptr;   // its lowest address; of a thread's own stack only what AddressSanitizer asks for is kept
  size_t stack_size = 0;
  void* shadow = nullptr;  // AddressSanitizer's record of its frames
};

// Stacks of one OS thread. Each lies above a page that faults, so that an overflow is a crash and not corruption.
class Stacks {
 public:
  ~Stacks();
  char* take();
  void give(char* stack);

 private:
  static constexpr size_t most = 1024 + 1;  // threads of a block, and one that is between two threads
  char* base_ = nullptr;
  char* free_[most];
  size_t count_ = 0;
};

// Makes `fiber` begin with entry() on `stack` when it is first switched to. entry() never returns.
void prepare(Fiber& fiber, char* stack, void (*entry)());

// Suspends `from` and continues `to`. A fiber that is `done` is never continued.
void switch_to(Fiber& from, Fiber& to, bool done = false);

// First thing on a new fiber: closes the switch that started it; `origin` is the fiber it came from.
void arrived(Fiber& origin);

}  // namespace qlora::emu
