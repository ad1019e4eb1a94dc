// copies.cc: cp.async. Hardware performs a copy at any time between its issue and the wait for it; the two extremes are
// at once (eager) and not before the wait (lazy). A kernel that is right under both waits where it must.
#include <cstring>

#include "engine.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace qlora::emu {
namespace {
void perform(const Copy& copy) {
  note_access(copy.target, copy.bytes, true, nullptr);
  if (copy.source) std::memcpy(copy.target, copy.source, copy.bytes);
  else std::memset(copy.target, 0, copy.bytes);
}
}  // namespace

void copy_async(void* target, const void* source, uint32_t bytes, uint32_t source_bytes, At at) {
  const uintptr_t to = reinterpret_cast<uintptr_t>(target), from = reinterpret_cast<uintptr_t>(source);
  if (to % bytes) fail(at, "cp.async: the target of %u bytes is not aligned to as many", bytes);
  if (source_bytes && from % bytes) fail(at, "cp.async: the source of %u bytes is not aligned to as many", bytes);
#if defined(__SANITIZE_ADDRESS__)
  if (source_bytes && __asan_region_is_poisoned(const_cast<void*>(source), source_bytes)) fail(at, "cp.async: source out of bounds");
  if (__asan_region_is_poisoned(target, bytes)) fail(at, "cp.async: target out of bounds");
#endif
  Thread& now = running();
  const Copy copy{target, source_bytes ? source : nullptr, bytes, now.copy_group};
  if (worker().launch->settings.lazy_copies) now.copies.push_back(copy);
  else perform(copy);
}
void copy_commit() { ++running().copy_group; }
void copy_wait(uint32_t open_groups) { perform(running(), open_groups); }

void perform(Thread& thread, uint32_t keep_groups) {
  size_t done = 0;
  for (; done < thread.copies.size(); ++done) {
    const Copy& copy = thread.copies[done];
    // The group that is not committed yet is no group: wait_group leaves it alone unless the thread ends.
    if (copy.group + keep_groups >= thread.copy_group && keep_groups != end_of_thread) break;
    perform(copy);
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + std::ptrdiff_t(done));
}

}  // namespace qlora::emu
