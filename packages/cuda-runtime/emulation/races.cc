// races.cc: finds races on shared memory: two threads of a block, one byte, at least one of them writing, and no barrier
// between them, in whatever order they happened to run.
//
// Kernels are compiled with -fsanitize=thread, which makes the compiler call a function before every access to memory. Those
// functions are defined here instead of in the sanitizer's library. Each byte of shared memory remembers its last writer and its
// readers, with the count of barriers then: __syncthreads orders a block, __syncwarp the lanes that take part in it. Shuffles
// and other warp operations order nothing, as on a GPU (CUDA C++ Programming Guide, "Warp Shuffle Functions").
#include <cstdio>

#include "engine.h"

namespace qlora::emu {
namespace {

// A stamp: who (10 bits), whether there were several (2), how many __syncwarp's (20) and how many barriers (32) had been passed.
// Barriers count through all blocks of an OS thread, so that what an earlier block left behind is simply old.
constexpr uint64_t several_lanes = 1 << 10, several_warps = 1 << 11, who = several_lanes - 1;
constexpr uint32_t syncs(uint64_t stamp) { return uint32_t(stamp >> 12) & 0xfffff; }

// True when what `stamp` tells of may not have come before what the thread of `now` does.
inline bool unordered(uint64_t stamp, uint64_t now) {
  if (stamp >> 32 != now >> 32 || (stamp & (several_warps | several_lanes | who)) == (now & who)) return false;
  if (stamp & several_warps || ((stamp ^ now) & who) >= 32) return true;
  return syncs(stamp) >= syncs(now);
}

[[noreturn]] __attribute__((noinline)) void report(const void* p, const char* did, uint64_t stamp, const char* does,
                                                   const void* where) {
  const Worker& w = worker();
  char other[48] = "threads of several warps";
  if (!(stamp & several_warps)) {
    const Index t = w.thread[stamp & who].thread_index;
    std::snprintf(other, sizeof other, "thread (%u, %u, %u)", t.x, t.y, t.z);
  }
  const char* what = "";
  size_t bytes = 0, at = 0;
  w.memory.locate(p, what, bytes, at);
  w.launch->code = where;
  fail(At(), "race: byte %zu of %zu bytes of %s shared memory was %s by %s and is %s here with no barrier between", at, bytes,
       what, did, other, does);
}

}  // namespace

void note_access(const void* p, size_t bytes, bool write, const void* where) {
  if (size_t(static_cast<const unsigned char*>(p) - shared_arena) >= SharedMemory::slots * SharedMemory::capacity || !self) return;
  const Thread& thread = running();
  Worker& w = worker();
  const size_t first = size_t(static_cast<const unsigned char*>(p) - w.memory.base());
  if (first + bytes > SharedMemory::capacity) return;
  const uint64_t now = uint64_t(w.block_epoch) << 32 | uint64_t(thread.warp_epoch & 0xfffff) << 12 | thread.warp * 32 | thread.lane;
  for (size_t i = 0; i < bytes; ++i) {
    Cell& cell = w.cells[first + i];
    const auto* byte = static_cast<const char*>(p) + i;
    if (unordered(cell.write, now)) report(byte, "written", cell.write, write ? "written" : "read", where);
    if (write) {
      if (unordered(cell.read, now)) report(byte, "read", cell.read, "written", where);
      cell.write = now;
    } else if (cell.read != now) {
      // Readers that came before this one need no memory of their own: a writer after this one comes after them too.
      if (!unordered(cell.read, now)) cell.read = now;
      else cell.read = now | ((cell.read & several_warps) || ((cell.read ^ now) & who) >= 32 ? several_warps : several_lanes);
    }
  }
}

}  // namespace qlora::emu

#define ACCESS(name, bytes, write) \
  extern "C" void name(void* p) { qlora::emu::note_access(p, bytes, write, __builtin_return_address(0)); }
ACCESS(__tsan_read1, 1, false)
ACCESS(__tsan_read2, 2, false)
ACCESS(__tsan_read4, 4, false)
ACCESS(__tsan_read8, 8, false)
ACCESS(__tsan_read16, 16, false)
ACCESS(__tsan_write1, 1, true)
ACCESS(__tsan_write2, 2, true)
ACCESS(__tsan_write4, 4, true)
ACCESS(__tsan_write8, 8, true)
ACCESS(__tsan_write16, 16, true)
ACCESS(__tsan_unaligned_read2, 2, false)
ACCESS(__tsan_unaligned_read4, 4, false)
ACCESS(__tsan_unaligned_read8, 8, false)
ACCESS(__tsan_unaligned_read16, 16, false)
ACCESS(__tsan_unaligned_write2, 2, true)
ACCESS(__tsan_unaligned_write4, 4, true)
ACCESS(__tsan_unaligned_write8, 8, true)
ACCESS(__tsan_unaligned_write16, 16, true)
extern "C" void __tsan_read_range(void* p, long n) { qlora::emu::note_access(p, size_t(n), false, __builtin_return_address(0)); }
extern "C" void __tsan_write_range(void* p, long n) { qlora::emu::note_access(p, size_t(n), true, __builtin_return_address(0)); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit(void*) {}
extern "C" void __tsan_vptr_update(void*, void*) {}
extern "C" void __tsan_vptr_read(void*) {}
