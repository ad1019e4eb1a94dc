// codec_avx512.cc: the codec with AVX-512 (VBMI).
#include "decode_avx512.h"
#include "index_avx512.h"
#include "qlora/simd.h"
#include "search.h"

namespace qlora::avx512 {
namespace {

// 64 weights → 32 bytes. Packing interleaves 128-bit lanes; the last permutation undoes that and narrows words to bytes.
template <class T, class Index>
void encode64(const T* x, __m512 inverse0, __m512 inverse1, const Index& by, __m512i narrow, uint8_t* codes) {
  auto value = [&](int i, __m512 inverse) { return _mm512_mul_ps(load16(x + i), inverse); };
  const __m512i code = codes64(by, value(0, inverse0), value(16, inverse0), value(32, inverse1), value(48, inverse1));
  const __m512i pairs = _mm512_maddubs_epi16(code, _mm512_set1_epi16(0x0110));  // 16·even + odd
  _mm256_storeu_si256((__m256i*)codes, _mm512_castsi512_si256(_mm512_permutexvar_epi8(narrow, pairs)));
}

__m512i narrow_control() {
  alignas(64) uint8_t from[64] = {};
  for (int o = 0; o < 32; ++o) {  // byte o holds elements 2o and 2o+1
    const int e = 2 * o, vector = e / 16, lane = e % 16 / 4, within = e % 4;
    from[o] = uint8_t(lane * 16 + vector * 4 + within);
  }
  return _mm512_load_si512(from);
}

// Blocks whose scales are found together, while L1 holds them.
int batch_of(int block) { return block <= 256 ? 16 : 4096 / block; }

// The weights of `count` ≤ 16 blocks, a multiple of 64 in all, whose scales are in lanes.
template <class T, class Index>
void encode_batch(const T* x, int count, int block, const Codebook& c, __m512 scale, const Index& by, __m512i narrow, uint8_t* codes) {
  alignas(64) float s[16], inverse[16];
  const __mmask16 some = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  const __m512 reciprocal = _mm512_maskz_div_ps(some, _mm512_set1_ps(1), scale);
  _mm512_store_ps(inverse, reciprocal);
  const int64_t n = int64_t(count) * block;
  for (int64_t i = 0; i < n; i += 64) {
    for (int64_t line = 0; line < 64; line += 64 / sizeof(T))  // of the next batch, whose scales would wait for it
      _mm_prefetch((const char*)(x + n + i + line), _MM_HINT_T0);
    encode64(x + i, _mm512_set1_ps(inverse[i / block]), _mm512_set1_ps(inverse[(i + 32) / block]), by, narrow, codes + i / 2);
  }
  __mmask16 overflow = _mm512_fpclass_ps_mask(reciprocal, 0x18);  // ±inf
  if (overflow == 0) return;
  _mm512_store_ps(s, scale);
  for (int b = 0; b < count; ++b)
    if (overflow >> b & 1) block_codes(x + int64_t(b) * block, block, s[b], c, codes + int64_t(b) * block / 2);
}

// Whole blocks, whole 64s.
int64_t whole64(int64_t n, int block) { return block == 32 ? n / 64 * 64 : n / block * block; }

template <class Index, class T>
void quantize_chunk(const T* x, int64_t n, int block, const Codebook& c, bool is_signed, float* scale, uint8_t* codes) {
  const Index by(c);
  const __m512i narrow = narrow_control();
  const int64_t whole = whole64(n, block), batch = batch_of(block);
  for (int64_t i = 0; i < whole; i += batch * block) {
    const int count = int(std::min(batch, (whole - i) / block));
    const __m512 s = batch_scales(x + i, count, block, is_signed);
    _mm512_mask_storeu_ps(scale + i / block, __mmask16((1u << count) - 1), s);
    encode_batch(x + i, count, block, c, s, by, narrow, codes + i / 2);
  }
  quantize_rest(x, whole, n, block, c, is_signed, scale, codes);
}

template <class Index>
void encode_chunk(const float* x, int64_t n, int block, const Codebook& c, const float* scale, uint8_t* codes) {
  const Index by(c);
  const __m512i narrow = narrow_control();
  const int64_t whole = whole64(n, block), batch = batch_of(block);
  for (int64_t i = 0; i < whole; i += batch * block) {
    const int count = int(std::min(batch, (whole - i) / block));
    const __m512 s = _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), scale + i / block);
    encode_batch(x + i, count, block, c, s, by, narrow, codes + i / 2);
  }
  for (int64_t i = whole; i < n; i += block)
    block_codes(x + i, std::min<int64_t>(block, n - i), scale[i / block], c, codes + i / 2);
}

void quantize(const void* x, Type type, int64_t n, int block, const Codebook& c, bool is_signed, float* scale,
              uint8_t* codes) {
  auto run = [&](auto* weights) {
    if (c.cells) quantize_chunk<ByCell<false>>(weights, n, block, c, is_signed, scale, codes);
    else quantize_chunk<BySearch>(weights, n, block, c, is_signed, scale, codes);
  };
  if (type == Type::f32) run(static_cast<const float*>(x)); else run(static_cast<const uint16_t*>(x));
}

void encode(const float* x, int64_t n, int block, const Codebook& c, const float* scale, uint8_t* codes) {
  (c.cells ? encode_chunk<ByCell<true>> : encode_chunk<BySearch>)(x, n, block, c, scale, codes);
}
void find_scales(const float* x, int64_t n, int block, const Codebook& c, const float* factors, int count, float* scale) {
  (c.cells ? search_scales<ByCell<true>> : search_scales<BySearch>)(x, n, block, c, factors, count, scale);
}
void find_shifts(const float* x, int64_t n, int block, const Codebook& c, bool is_signed, const float* fractions, int count,
                 const double* costs, float* shift) {
  (c.cells ? search_shifts<ByCell<true>> : search_shifts<BySearch>)(x, n, block, c, is_signed, fractions, count, costs, shift);
}
void keep_shifts(const float* x, int64_t n, int block, const Codebook& c, bool is_signed, const double* costs, float* shift) {
  (c.cells ? guard_shifts<ByCell<true>> : guard_shifts<BySearch>)(x, n, block, c, is_signed, costs, shift);
}

void widen(const uint16_t* x, Type type, int64_t n, float* out) {
  const int64_t whole = n / 16 * 16;
  for (int64_t i = 0; i < whole; i += 16) {
    const __m256i words = _mm256_loadu_si256((const __m256i*)(x + i));
    _mm512_storeu_ps(out + i, type == Type::f16 ? _mm512_cvtph_ps(words) : load16(x + i));
  }
  for (int64_t i = whole; i < n; ++i) out[i] = type == Type::f16 ? from_f16(x[i]) : element(x, i);
}

// 255 pivots as the levels of a binary search in registers: level L has 2^L pivots, looked up by the L bits found so far.
struct Search8 {
  __m512 heap, l4, l5[2], l6[4], l7[8];  // heap: levels 0 to 3, node n at n
  explicit Search8(const float* pivot) {
    __m512 all[16], odd[8];
    for (int i = 0; i < 16; ++i) all[i] = _mm512_loadu_ps(pivot + 16 * i);
    halve(all, 8, l7, odd);  // even ones are the last level's; of the odd ones, the same again
    halve(odd, 4, l6, all);
    halve(all, 2, l5, odd);
    halve(odd, 1, &l4, all);
    alignas(64) float rest[16];
    _mm512_store_ps(rest, all[0]);
    heap = heap_of(rest);
  }
  static void halve(const __m512* x, int n, __m512* even, __m512* odd) {
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    for (int i = 0; i < n; ++i) {
      even[i] = _mm512_permutex2var_ps(x[2 * i], evens, x[2 * i + 1]);
      odd[i] = _mm512_permutex2var_ps(x[2 * i], odds, x[2 * i + 1]);
    }
  }
  // 16 to 64 pivots: the bits of the index above the fifth choose among pairs of registers.
  static __m512 look(const __m512* level, int pairs, __m512i index) {
    if (pairs == 1) return _mm512_permutex2var_ps(level[0], index, level[1]);
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(16 * pairs));
    return _mm512_mask_blend_ps(upper, look(level, pairs / 2, index), look(level + pairs, pairs / 2, index));
  }
  __m512i rank(__m512 v) const {
    const __m512i one = _mm512_set1_epi32(1);
    __m512i index = one;
    const auto next = [&](__m512 pivots) {
      const __mmask16 above = _mm512_cmp_ps_mask(v, pivots, _CMP_GT_OQ);
      index = _mm512_add_epi32(index, index);
      index = _mm512_mask_add_epi32(index, above, index, one);
    };
    for (int level = 0; level < 4; ++level) next(_mm512_permutexvar_ps(index, heap));
    index = _mm512_sub_epi32(index, _mm512_set1_epi32(16));
    next(_mm512_permutexvar_ps(index, l4));
    next(look(l5, 1, index));
    next(look(l6, 2, index));
    next(look(l7, 4, index));
    return index;
  }
};

void encode8(const float* x, int64_t n, float lift, float inverse, const float* pivot, uint8_t* codes) {
  const Search8 search(pivot);
  for (int64_t i = 0; i < n; i += 16) {
    const int lanes = int(std::min<int64_t>(16, n - i));
    const __mmask16 some = __mmask16((1u << lanes) - 1);
    const __m512 v = _mm512_mul_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(some, x + i), _mm512_set1_ps(lift)), _mm512_set1_ps(inverse));
    _mm512_mask_cvtepi32_storeu_epi8(codes + i, some, search.rank(v));
  }
}

const nf4::Codec codec{quantize, encode, dequantize, widen, find_scales, find_shifts, keep_shifts, encode8};
const bool registered = tables<nf4::Codec>.add(Simd::avx512, &codec);
}  // namespace
}  // namespace qlora::avx512
