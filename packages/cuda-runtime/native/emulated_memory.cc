// emulated_memory.cc: memory of the device "cuda-emu", on the host. Fresh memory is filled with 0xff (NaN as floats). Each
// allocation lies between guard zones, which are looked at when it is copied or freed, and which are out of bounds to
// AddressSanitizer where that is loaded.
#include "emulated_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#if !defined(_WIN32)
extern "C" __attribute__((weak)) void __asan_poison_memory_region(const volatile void*, size_t);
extern "C" __attribute__((weak)) void __asan_unpoison_memory_region(const volatile void*, size_t);
#endif

namespace qlora::cuda::emulated_memory {
namespace {

constexpr size_t guard = 256;  // bytes on each side; also the alignment
constexpr unsigned char guard_byte = 0xa5;

struct Block {
  size_t bytes;
  bool on_device;
  bool watched;  // by AddressSanitizer
};
std::mutex mutex;
std::map<uintptr_t, Block> blocks;
size_t used = 0;  // bytes of the device

// Makes memory out of bounds, or in bounds again, to AddressSanitizer; false where that is not loaded.
bool poison([[maybe_unused]] void* p, [[maybe_unused]] size_t n, [[maybe_unused]] bool on) {
#if !defined(_WIN32)
  auto mark = on ? __asan_poison_memory_region : __asan_unpoison_memory_region;
  if (mark) return mark(p, n), true;
#endif
  return false;
}

// True when nothing was written to the guard zones of an allocation.
bool intact(uintptr_t address, const Block& block) {
  const auto* base = reinterpret_cast<const unsigned char*>(address) - guard;
  for (size_t i = 0; i < guard; ++i)
    if (base[i] != guard_byte || base[guard + block.bytes + i] != guard_byte) return false;
  return true;
}

}  // namespace

size_t from_environment(const char* name, size_t otherwise) {
  const char* value = std::getenv(name);
  const unsigned long long bytes = value ? std::strtoull(value, nullptr, 10) : 0;
  return bytes ? size_t(bytes) : otherwise;
}

size_t total() { return from_environment("QLORA_EMU_MEMORY", size_t(8) << 30); }
size_t free() {
  std::lock_guard lock(mutex);
  return total() - std::min(used, total());
}

Status allocate(uintptr_t* result, size_t bytes, bool on_device) {
  *result = 0;
  if (!bytes) return invalid_value;
  std::lock_guard lock(mutex);
  if (on_device && bytes > total() - std::min(used, total())) return out_of_memory;
  auto* base = static_cast<unsigned char*>(::operator new(bytes + 2 * guard, std::align_val_t(guard), std::nothrow));
  if (!base) return out_of_memory;
  std::memset(base, guard_byte, guard);
  std::memset(base + guard, 0xff, bytes);
  std::memset(base + guard + bytes, guard_byte, guard);
  const bool watched = poison(base, guard, true) && poison(base + guard + bytes, guard, true);
  if (on_device) used += bytes;
  blocks[*result = reinterpret_cast<uintptr_t>(base + guard)] = {bytes, on_device, watched};
  return success;
}

Status release(uintptr_t address) {
  std::lock_guard lock(mutex);
  auto found = blocks.find(address);
  if (found == blocks.end()) return invalid_value;
  const Block block = found->second;
  blocks.erase(found);
  if (block.on_device) used -= block.bytes;
  auto* base = reinterpret_cast<unsigned char*>(address) - guard;
  poison(base, guard, false);
  poison(base + guard + block.bytes, guard, false);
  const bool good = intact(address, block);
  ::operator delete(base, std::align_val_t(guard));
  return good ? success : illegal_state;
}

Status range(const void* p, size_t n) {
  std::lock_guard lock(mutex);
  auto next = blocks.upper_bound(reinterpret_cast<uintptr_t>(p));
  if (next == blocks.begin()) return invalid_value;
  const auto& [address, block] = *--next;
  const uintptr_t offset = reinterpret_cast<uintptr_t>(p) - address;
  if (offset > block.bytes || n > block.bytes - offset) return invalid_value;
  return block.watched || intact(address, block) ? success : illegal_state;
}

}  // namespace qlora::cuda::emulated_memory
