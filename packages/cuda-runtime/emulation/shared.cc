// shared.cc: the shared memory of a block, filled with NaN, with guard zones between its parts.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "engine.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace qlora::emu {
namespace {
[[maybe_unused]] constexpr unsigned char guard_byte = 0xa5;
std::mutex mutex;
std::vector<unsigned char*> free_slots;
}  // namespace

unsigned char* shared_arena = nullptr;

SharedMemory::SharedMemory() {
  std::lock_guard lock(mutex);
  if (!shared_arena) {  // address space only: pages come when they are touched
    void* p = mmap(nullptr, slots * capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::perror("cuda-emu: shared memory"), std::abort();
    shared_arena = static_cast<unsigned char*>(p);
    for (size_t i = slots; i-- > 0;) free_slots.push_back(shared_arena + i * capacity);
  }
  if (free_slots.empty()) std::fputs("cuda-emu: more than 1024 threads run blocks\n", stderr), std::abort();
  bytes_ = free_slots.back();
  free_slots.pop_back();
}
SharedMemory::~SharedMemory() {
  std::lock_guard lock(mutex);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bytes_, capacity);
#endif
  free_slots.push_back(bytes_);
}

unsigned char* SharedMemory::add(const void* id, size_t bytes) {
  unsigned char* memory = bytes_ + used_ + guard;
  zones_[zone_count_++] = {id, used_ + guard, bytes};
  used_ += guard + (bytes + guard - 1) / guard * guard;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(memory, bytes);
#else
  std::memset(memory - guard, guard_byte, guard);
  std::memset(memory + bytes, guard_byte, guard);
#endif
  std::memset(memory, 0xff, bytes);
  return memory;
}

unsigned char* SharedMemory::begin(size_t dynamic_bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(bytes_, capacity);
#endif
  zone_count_ = 0, used_ = 0, static_used_ = 0;
  return add(nullptr, dynamic_bytes);
}

void* SharedMemory::variable(const void* id, size_t bytes) {
  for (size_t i = 1; i < zone_count_; ++i)
    if (zones_[i].id == id) return bytes_ + zones_[i].begin;
  if (zone_count_ > most_variables || bytes > most_static - static_used_) return nullptr;
  static_used_ += bytes;
  return add(id, bytes);
}

void SharedMemory::locate(const void* p, const char*& what, size_t& bytes, size_t& at) const {
  const size_t offset = size_t(static_cast<const unsigned char*>(p) - bytes_);
  size_t z = 0;
  while (z + 1 < zone_count_ && zones_[z + 1].begin <= offset) ++z;
  what = z ? "static" : "dynamic", bytes = zones_[z].bytes, at = offset - zones_[z].begin;
}

bool SharedMemory::overrun([[maybe_unused]] const char*& what, [[maybe_unused]] size_t& bytes, [[maybe_unused]] size_t& at) const {
#if !defined(__SANITIZE_ADDRESS__)
  for (size_t z = 0; z < zone_count_; ++z) {
    const Zone& zone = zones_[z];
    what = z ? "static" : "dynamic", bytes = zone.bytes;
    for (size_t i = 0; i < guard; ++i)
      if (bytes_[zone.begin + zone.bytes + i] != guard_byte) return at = zone.bytes + i, true;
    for (size_t i = 1; i <= guard; ++i)
      if (bytes_[zone.begin - i] != guard_byte) return at = -i, true;
  }
#endif
  return false;
}

void* shared_static(const void* id, size_t bytes, At at) {
  void* memory = worker().memory.variable(id, bytes);
  if (!memory) fail(at, "shared memory: the variables of the kernel take more than %zu bytes", SharedMemory::most_static);
  return memory;
}

}  // namespace qlora::emu
