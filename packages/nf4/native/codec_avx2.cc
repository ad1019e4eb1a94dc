// codec_avx2.cc: codes by encode_avx2.h; look-ups by vpermps (f32) and by vpshufb on the two bytes of each bf16.
#include "encode_avx2.h"

namespace qlora::avx2 {
namespace {

struct LookUp {
  static void store16(float* out, __m256 v, bool stream) {
    if (!stream) return _mm256_storeu_ps(out, v);
    _mm_stream_ps(out, _mm256_castps256_ps128(v));
    _mm_stream_ps(out + 4, _mm256_extractf128_ps(v, 1));
  }

  // Eight codes at a time: two halves of the table, chosen by the code's upper bit.
  static void run(const uint8_t* codes, const float* table, int64_t n, float* out, bool stream) {
    stream = stream && (uintptr_t(out) & 15) == 0;
    const __m256 low = _mm256_load_ps(table), high = _mm256_load_ps(table + 8);
    const __m256i shift = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    for (int64_t i = 0; i < n; i += 8) {
      int32_t word;
      std::memcpy(&word, codes + i / 2, 4);
      const __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32(word), shift);
      const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
      store16(out + i, _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code), upper), stream);
    }
  }

  // Thirty-two codes at a time: the table as 16 low bytes and 16 high bytes.
  static void run(const uint8_t* codes, const uint16_t* table, int64_t n, uint16_t* out, bool stream) {
    stream = stream && (uintptr_t(out) & 15) == 0;
    const __m128i first = _mm_load_si128((const __m128i*)table), second = _mm_load_si128((const __m128i*)(table + 8));
    const __m128i byte = _mm_set1_epi16(255);
    const __m128i low = _mm_packus_epi16(_mm_and_si128(first, byte), _mm_and_si128(second, byte));
    const __m128i high = _mm_packus_epi16(_mm_srli_epi16(first, 8), _mm_srli_epi16(second, 8));
    const __m128i mask = _mm_set1_epi8(15);
    auto store = [&](uint16_t* to, __m128i v) {
      if (stream) _mm_stream_si128((__m128i*)to, v); else _mm_storeu_si128((__m128i*)to, v);
    };
    for (int64_t i = 0; i < n; i += 32) {
      const __m128i packed = _mm_loadu_si128((const __m128i*)(codes + i / 2));
      const __m128i even = _mm_and_si128(_mm_srli_epi16(packed, 4), mask), odd = _mm_and_si128(packed, mask);
      for (int half = 0; half < 2; ++half) {
        const __m128i code = half ? _mm_unpackhi_epi8(even, odd) : _mm_unpacklo_epi8(even, odd);
        const __m128i l = _mm_shuffle_epi8(low, code), h = _mm_shuffle_epi8(high, code);
        store(out + i + 16 * half, _mm_unpacklo_epi8(l, h));
        store(out + i + 16 * half + 8, _mm_unpackhi_epi8(l, h));
      }
    }
  }
};

void dequantize(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale, const float* shift,
                void* out, Type type, bool stream) {
  dequantize_any<LookUp>(codes, level, n, block, scale, shift, out, type, stream);
  _mm_sfence();
}

void widen_fast(const uint16_t* x, Type type, int64_t n, float* out) {
  const int64_t whole = type == Type::f16 ? n / 8 * 8 : 0;
  for (int64_t i = 0; i < whole; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(x + i))));
  widen_any(x + whole, type, n - whole, out + whole);
}

constexpr nf4::Codec make() {
  nf4::Codec codec = portable<LookUp>;
  codec.quantize = quantize_search;
  codec.encode = encode_search;
  codec.dequantize = dequantize;
  codec.widen = widen_fast;
  return codec;
}
const nf4::Codec codec = make();
const bool registered = tables<nf4::Codec>.add(Simd::avx2, &codec);
}  // namespace
}  // namespace qlora::avx2
