// pages.h: large outputs and working memory are asked to lie on huge pages before they are first touched; a fresh array then
// costs one page fault per 2 MiB instead of one per 4 KiB. A hint: where the system has none, nothing happens.
#pragma once
#include <cstdint>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace qlora {

inline void prefer_huge_pages([[maybe_unused]] void* begin, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = 2 << 20;
  const uintptr_t first = (uintptr_t(begin) + page - 1) & ~(page - 1), last = (uintptr_t(begin) + bytes) & ~(page - 1);
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace qlora
