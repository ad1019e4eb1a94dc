// emu_engine.h: the emulator as kernels see it (the emulation itself is in cuda-runtime/emulation/). C++ only, no CUDA.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace qlora::emu {

struct Index {
  unsigned x, y, z;
};
struct Dim {
  unsigned x, y, z;
  constexpr Dim(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
using At = std::source_location;

// Where a thread is: its block and the block's shared memory.
struct Place {
  Index block_index{};
  Dim block_dim, grid_dim;
  unsigned char* shared = nullptr;  // dynamic shared memory, 128-byte aligned
  size_t shared_bytes = 0;
};
struct Self {
  Index thread_index{};
  uint32_t lane = 0, warp = 0;
  Place* place = nullptr;
};
// The thread that is running now, one per OS thread.
extern __thread Self* self;

// Shared memory for the variable `id`: the same for all threads of a block, NaN at first, 128-byte aligned.
void* shared_static(const void* id, size_t bytes, At at);

// Waits for all threads of the block; returns the sum of their values.
int barrier(int value, At at);

// Waits until all live lanes of `mask` have come with the same `combine`, which then runs once for all of them:
// arguments[lane] is what each lane passed.
using Combine = void (*)(void** arguments, uint32_t lanes);
void collective(uint32_t mask, void* argument, Combine combine, At at);

// cp.async: queued by copy, sealed into a group by commit, done no later than wait(n) where n groups may stay open.
void copy_async(void* target, const void* source, uint32_t bytes, uint32_t source_bytes, At at);
void copy_commit();
void copy_wait(uint32_t open_groups);

void yield();  // lets other threads run: what a spinning thread must call

// Ends the launch with a message that begins with where it was launched, the block, the thread and the place in the kernel.
[[noreturn]] void fail(At at, const char* format, ...) __attribute__((format(printf, 2, 3)));

enum class Schedule { forward, reverse, random };
struct Settings {
  Schedule schedule = Schedule::forward;
  bool lazy_copies = true;  // cp.async happens when waited for; eager: at once. Hardware does either.
  uint64_t seed = 1;
};
Settings& settings();

struct Statistics {
  uint64_t launches = 0, blocks = 0, threads = 0, switches = 0, barriers = 0, collectives = 0, bank_conflicts = 0;
};
Statistics statistics();  // since the last call
void count_bank_conflict();

// Runs call(arguments) for every thread of the grid; false with a message when it failed.
bool launch(At at, Dim grid, Dim block, size_t shared, void (*call)(const void*), const void* arguments);
const char* last_message();  // of this OS thread

}  // namespace qlora::emu
