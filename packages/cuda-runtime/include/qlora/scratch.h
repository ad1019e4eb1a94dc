// scratch.h: working memory of the calling thread, 64-byte aligned, kept between calls and grown on demand. One block
// per thread and Slot: a second request replaces the first. It belongs in code compiled for any processor.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "pages.h"

namespace qlora {

class Scratch {
 public:
  ~Scratch() { std::free(data_); }

  void* get(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      size_ = (bytes + huge - 1) / huge * huge;
      data_ = std::aligned_alloc(huge, size_);
      if (!data_) {
        size_ = 0;
        throw std::bad_alloc();
      }
      prefer_huge_pages(data_, int64_t(size_));
    }
    return data_;
  }

 private:
  static constexpr size_t huge = size_t(2) << 20;
  void* data_ = nullptr;
  size_t size_ = 0;
};

template <class T, int Slot = 0>
T* scratch(int64_t elements) {
  thread_local Scratch block;
  return static_cast<T*>(block.get(size_t(elements) * sizeof(T)));
}

}  // namespace qlora
