// checksum.h: a checksum of a page, by which damage on the disk is noticed (part of kernels_*.cc).
#pragma once
#include <initializer_list>

#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

// Fletcher's two sums over eight interleaved streams of 64-bit words: they change with any word and with their order.
// All in integers, so the same for every instruction set.
inline uint64_t checksum(const uint8_t* data, uint64_t bytes) {
  typedef uint64_t words __attribute__((vector_size(64)));
  words sum{}, sums{}, word;
  uint64_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
    std::memcpy(&word, data + i, 64);
    sum += word;
    sums += sum;
  }
  uint64_t first[8], second[8], rest[8] = {}, result = bytes;
  std::memcpy(rest, data + i, bytes - i);
  std::memcpy(first, &sum, 64);
  std::memcpy(second, &sums, 64);
  for (int k = 0; k < 8; ++k)
    for (uint64_t x : {first[k], second[k], rest[k]}) {
      result = (result ^ x) * 0x9e3779b97f4a7c15u;
      result ^= result >> 32;
    }
  return result;
}

}  // namespace qlora::QLORA_SIMD
