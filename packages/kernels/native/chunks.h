// chunks.h: how the work of an operation is divided among threads. The pieces depend on the problem's size alone, so
// the result does not depend on the number of threads; one piece runs in the caller, since waking a thread costs 5 to
// 10 µs.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "qlora/pool.h"

namespace qlora {

inline constexpr int64_t chunk_elements = 32768;  // of float32: some 10 µs of work
inline constexpr int64_t light_elements = 4 * chunk_elements;  // the same where there is next to nothing to do for one

// f(begin, end) over [0, n) in pieces of `chunk`.
template <class F>
void for_chunks(int64_t n, int64_t chunk, F&& f) {
  parallel_for((n + chunk - 1) / chunk, [&](int64_t i) { f(i * chunk, std::min(n, (i + 1) * chunk)); });
}

// f(begin, end) over rows of d elements.
template <class F>
void for_rows(int64_t rows, int64_t d, F&& f) {
  for_chunks(rows, std::max<int64_t>(1, chunk_elements / std::max<int64_t>(1, d)), f);
}

// At least n floats of this thread's own, 64-byte aligned, valid until it asks again; never given back.
inline float* scratch(int64_t n) {
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  thread_local std::unique_ptr<float, Free> memory;
  thread_local int64_t size = 0;
  if (size < n) {
    memory.reset();
    size = 0;
    memory.reset(static_cast<float*>(::operator new(size_t(n) * sizeof(float), std::align_val_t(64))));
    size = n;
  }
  return memory.get();
}

}  // namespace qlora
