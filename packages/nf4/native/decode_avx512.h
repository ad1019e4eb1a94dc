// decode_avx512.h: the 16 values of a block stay in one register; a look-up is one permutation.
#pragma once
#pragma GCC diagnostic ignored "-Wuninitialized"  // gcc 12 warns inside its own avx512fintrin.h (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <algorithm>
#include <type_traits>

#include "codec_block.h"

namespace qlora::avx512 {
namespace {

// Vectors as they are, past the caches where `out` begins a line, or past them in full lines: there `out` begins `lead` elements
// before a 64-byte boundary, so each line is put together from two consecutive vectors.
enum class Store { plain, aligned, joined };
template <class Word, Store how>
class Lines {
 public:
  static constexpr int lanes = 64 / sizeof(Word);
  explicit Lines(Word* out) : out_(out), lead_(int((64 - (uintptr_t(out) & 63)) % 64 / sizeof(Word))) {
    alignas(64) Index from[lanes];
    for (int i = 0; i < lanes; ++i) from[i] = Index(lead_ + i);
    from_ = _mm512_load_si512(from);
  }
  void push(__m512i v) {
    if constexpr (how == Store::plain) _mm512_storeu_si512(out_, v);
    else if constexpr (how == Store::aligned) _mm512_stream_si512((__m512i*)out_, v);
    else {
      if (first_) store_lanes(out_, v, 0, lead_), first_ = false;
      else _mm512_stream_si512((__m512i*)(out_ - lanes + lead_), join(previous_, v));
      previous_ = v;
    }
    out_ += lanes;
  }
  void finish() {
    if (how == Store::joined && !first_) store_lanes(out_ - lanes, previous_, lead_, lanes);
  }

 private:
  using Index = std::conditional_t<sizeof(Word) == 4, uint32_t, uint16_t>;
  __m512i join(__m512i a, __m512i b) const {
    if constexpr (sizeof(Word) == 4) return _mm512_permutex2var_epi32(a, from_, b);
    else return _mm512_permutex2var_epi16(a, from_, b);
  }
  static void store_lanes(Word* out, __m512i v, int begin, int end) {
    const uint64_t mask = (uint64_t(1) << end) - (uint64_t(1) << begin);
    if constexpr (sizeof(Word) == 4) _mm512_mask_storeu_epi32(out, __mmask16(mask), v);
    else _mm512_mask_storeu_epi16(out, __mmask32(mask), v);
  }
  Word* out_;
  int lead_;
  bool first_ = true;
  __m512i from_, previous_;
};

// Byte 4·(i mod 2) of qword i/2 selects the eight bits whose low nibble is element i's code.
__m512i nibble_control() {
  alignas(64) uint64_t control[8];
  for (int j = 0; j < 8; ++j) control[j] = uint64_t(8 * j + 4) | uint64_t(8 * j) << 32;
  return _mm512_load_si512(control);
}

// Round to nearest even; NaN stays NaN.
__m256i to_bf16(__m512 f) {
  const __m512i u = _mm512_castps_si512(f), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q), quiet));
}

template <Store how>
void decode(const uint8_t* codes, int n, __m512 table, __m512i nibbles, Lines<float, how>& out) {
  for (int i = 0; i < n; i += 16) {
    int64_t eight;
    std::memcpy(&eight, codes + i / 2, 8);
    out.push(_mm512_castps_si512(_mm512_permutexvar_ps(_mm512_multishift_epi64_epi8(nibbles, _mm512_set1_epi64(eight)), table)));
  }
}
template <Store how>
void decode(const uint8_t* codes, int n, __m512 table, __m512i, Lines<uint16_t, how>& out) {
  const __m512i words = _mm512_broadcast_i64x4(to_bf16(table));  // twice, so that bit 4 of an index does not matter
  for (int i = 0; i < n; i += 32) {
    const __m512i byte = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)(codes + i / 2)));
    out.push(_mm512_permutexvar_epi16(_mm512_or_si512(_mm512_srli_epi32(byte, 4), _mm512_slli_epi32(byte, 16)), words));
  }
}

template <Store how, class Word>
void dequantize_chunk(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale,
                      const float* shift, Word* out) {
  const __m512 levels = _mm512_loadu_ps(level);
  const __m512i nibbles = nibble_control();
  Lines<Word, how> lines(out);
  const int64_t whole = n / 32 * 32;
  for (int64_t i = 0; i < whole; i += block) {
    __m512 table = _mm512_mul_ps(levels, _mm512_set1_ps(scale[i / block]));
    if (shift) table = _mm512_add_ps(table, _mm512_set1_ps(shift[i / block]));
    decode(codes + i / 2, int(std::min<int64_t>(block, whole - i)), table, nibbles, lines);
  }
  lines.finish();
  if (whole == n) return;
  float values[16];
  Word table[16];
  block_table(level, scale[whole / block], shift ? shift + whole / block : nullptr, values);
  for (int j = 0; j < 16; ++j)
    if constexpr (sizeof(Word) == 4) table[j] = values[j]; else table[j] = avx512::to_bf16(values[j]);
  look_up(codes + whole / 2, table, n - whole, out + whole);
}

void dequantize(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale, const float* shift,
                void* out, Type type, bool stream) {
  auto run = [&](auto* words) {
    if (!stream) dequantize_chunk<Store::plain>(codes, level, n, block, scale, shift, words);
    else if (uintptr_t(out) % 64 == 0) dequantize_chunk<Store::aligned>(codes, level, n, block, scale, shift, words);
    else dequantize_chunk<Store::joined>(codes, level, n, block, scale, shift, words);
  };
  if (type == Type::f32) run(static_cast<float*>(out)); else run(static_cast<uint16_t*>(out));
  if (stream) _mm_sfence();
}

}  // namespace
}  // namespace qlora::avx512
