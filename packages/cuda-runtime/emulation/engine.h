// engine.h: what runs a block: its threads as fibers, warps as sets of lanes, and the points where they wait.
//
// A block runs on one OS thread, its threads in turns; a turn ends where a thread waits. A thread that ends without having
// waited hands its stack to the next one that has not begun, so that kernels without barriers switch no stacks at all.
#pragma once
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "qlora/cuda/emu_engine.h"

namespace qlora::emu {

struct Copy {  // one cp.async
  void* target;
  const void* source;  // null: zeros
  uint32_t bytes, group;
};

struct Thread : Self {
  Fiber fiber;
  std::vector<Copy> copies;
  uint32_t copy_group = 0;
  uint32_t warp_epoch = 0;  // __syncwarp's passed, for races.cc
};

// What races.cc remembers of one byte of shared memory: its last writer and its readers, as stamps (see there).
struct Cell {
  uint64_t write = 0, read = 0;
};
void note_access(const void* p, size_t bytes, bool write, const void* where);

// "file.cu:12" of an address in this addon's code, by addr2line; "" when that is not to be had.
std::string source_line(const void* code);

// Where the shared memory of all OS threads lies: capacity bytes each, one after another. Null before the first.
extern unsigned char* shared_arena;

// A collective operation some lanes of a warp have reached and others have not. Lanes are bits.
struct Meeting {
  uint32_t mask = 0, here = 0;
  Combine combine = nullptr;
  At at;
  void* arguments[32];
};

struct Warp {
  uint32_t index = 0, live = 0, ready = 0, at_barrier = 0, meetings = 0;
  Meeting meeting[32];  // by the lowest lane of their mask
};

struct Launch {
  At launched;
  void (*call)(const void*);
  const void* arguments;
  Dim grid, block;
  size_t shared;
  Settings settings;
  std::atomic<bool> failed{false};
  const void* code = nullptr;  // an address in the kernel that belongs to the failure
  char message[512] = "";

  // Keeps the first failure: "kernel launched at file:line, block (x, y, z), thread (x, y, z), file:line: what". Threads of other blocks may race here.
  void fail(const Place& place, const Self* thread, At at, const char* format, va_list arguments);
  void fail(const Place& place, const char* format, ...) __attribute__((format(printf, 3, 4)));
};

// Shared memory of one block at a time: what the launch asked for, then the kernel's variables as it comes to them. Between
// them are guard zones: out of bounds to AddressSanitizer, and without it looked at when the block ends.
class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();
  unsigned char* begin(size_t dynamic_bytes);
  void* variable(const void* id, size_t bytes);  // null: the 48 KiB for variables are used up
  // What was written outside: its name and size, and the first byte's offset. False: nothing.
  bool overrun(const char*& what, size_t& bytes, size_t& at) const;

  // Which part a byte lies in, and where in it.
  void locate(const void* p, const char*& what, size_t& bytes, size_t& at) const;
  const unsigned char* base() const { return bytes_; }

  static constexpr size_t most = 227 * 1024, guard = 128, most_static = 48 * 1024, most_variables = 64;
  static constexpr size_t slots = 1024;  // OS threads that may run blocks, as many as the pool can have
  static constexpr size_t capacity = most + most_static + (most_variables + 1) * 2 * guard;

 private:
  struct Zone {
    const void* id;
    size_t begin, bytes;
  };
  unsigned char* add(const void* id, size_t bytes);
  unsigned char* bytes_;  // a slot of the arena
  Zone zones_[most_variables + 1];
  size_t zone_count_ = 0, used_ = 0, static_used_ = 0;
};

// The state of one OS thread, reused from block to block.
struct Worker : Place {
  Launch* launch = nullptr;
  unsigned threads = 0, live = 0;
  uint32_t warps_ready = 0;
  Warp warps[32];
  std::unique_ptr<Thread[]> thread{new Thread[1024]};
  Fiber outside;  // where run() was called
  Stacks stacks;
  SharedMemory memory;
  std::unique_ptr<Cell[]> cells{new Cell[SharedMemory::capacity]};  // of memory's bytes
  uint32_t block_epoch = 0;  // barriers passed, in all blocks so far

  unsigned waiting = 0;  // at the barrier
  At barrier;
  int barrier_sum = 0, barrier_result = 0;

  uint64_t random = 0;
  uint8_t warp_rank[32], lane_rank[32];  // the random schedule runs the lowest rank first
  Statistics count;

  void run(Launch& launch, uint64_t block);
  Thread* pick(Warp* current);
  void make_ready(Warp& warp, uint32_t lanes);
  void release_barrier();
  void sync_lanes(Warp& warp, uint32_t lanes);
  void complete(Warp& warp, Meeting& meeting, uint32_t except);
  void ended(Thread& thread);
  void deadlock();
  uint32_t draw(uint32_t below);
};

inline Thread& running() { return *static_cast<Thread*>(self); }
inline Worker& worker() { return *static_cast<Worker*>(self->place); }  // of the running thread
inline Warp& warp_of(const Thread& thread) { return worker().warps[thread.warp]; }
void wait_turn();  // the calling thread waits: the next one runs
inline constexpr uint32_t end_of_thread = ~0u;
void perform(Thread& thread, uint32_t keep_groups);  // cp.async: all but the newest groups, or really all

}  // namespace qlora::emu
