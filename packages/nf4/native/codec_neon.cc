// codec_neon.cc: look-ups by tbl on the bytes of each value; interleaving stores put them together.
#include "codec_portable.h"

namespace qlora::neon {
namespace {

struct LookUp {
  template <class Word>
  static void run(const uint8_t* codes, const Word* table, int64_t n, Word* out, bool) {
    constexpr int size = sizeof(Word);
    uint8_t bytes[size][16];
    for (int j = 0; j < 16; ++j)
      for (int b = 0; b < size; ++b) bytes[b][j] = reinterpret_cast<const uint8_t*>(table + j)[b];
    for (int64_t i = 0; i < n; i += 32) {
      const uint8x16_t packed = vld1q_u8(codes + i / 2);
      const uint8x16_t even = vshrq_n_u8(packed, 4), odd = vandq_u8(packed, vdupq_n_u8(15));
      for (int half = 0; half < 2; ++half) {
        const uint8x16_t code = half ? vzip2q_u8(even, odd) : vzip1q_u8(even, odd);
        uint8_t* to = reinterpret_cast<uint8_t*>(out + i + 16 * half);
        if constexpr (size == 4) {
          vst4q_u8(to, {vqtbl1q_u8(vld1q_u8(bytes[0]), code), vqtbl1q_u8(vld1q_u8(bytes[1]), code),
                        vqtbl1q_u8(vld1q_u8(bytes[2]), code), vqtbl1q_u8(vld1q_u8(bytes[3]), code)});
        } else {
          vst2q_u8(to, {vqtbl1q_u8(vld1q_u8(bytes[0]), code), vqtbl1q_u8(vld1q_u8(bytes[1]), code)});
        }
      }
    }
  }
};

const nf4::Codec codec = portable<LookUp>;
const bool registered = tables<nf4::Codec>.add(Simd::neon, &codec);
}  // namespace
}  // namespace qlora::neon
