// index_avx512.h: from normalised values to codes and levels, 16 at a time. ByCell finds the cell of a value, one of 32, and
// compares with the one pivot it may hold; BySearch serves any codebook.
#pragma once
#include "scales_avx512.h"

namespace qlora::avx512 {
namespace {

// index(v) < 64 leads to the code through one byte table. Wide: v may lie outside [-1, 1] (searched scales).
template <bool Wide>
struct ByCell {
  const Codebook& c;
  __m512 pivot0, pivot1, below0, below1, above0, above1;
  __m512i table;
  explicit ByCell(const Codebook& codebook)
      : c(codebook), pivot0(_mm512_load_ps(c.cell_pivot)), pivot1(_mm512_load_ps(c.cell_pivot + 16)),
        table(_mm512_load_si512(c.cell_code)) {
    alignas(64) float value[64];
    for (int i = 0; i < 64; ++i) value[i] = c.level[c.cell_code[i]];
    below0 = _mm512_load_ps(value), below1 = _mm512_load_ps(value + 16);
    above0 = _mm512_load_ps(value + 32), above1 = _mm512_load_ps(value + 48);
  }
  static __m512 inside(__m512 v) {
    return Wide ? _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(-1)), _mm512_set1_ps(1)) : v;
  }
  static __m512i cell(__m512 v) {
    return _mm512_cvttps_epi32(_mm512_fmadd_ps(v, _mm512_set1_ps(15.9999f), _mm512_set1_ps(16.0f)));
  }
  __mmask16 above(__m512 v, __m512i cell) const {
    return _mm512_cmp_ps_mask(v, _mm512_permutex2var_ps(pivot0, cell, pivot1), _CMP_GT_OQ);
  }
  __m512i index(__m512 v) const {
    v = inside(v);
    const __m512i i = cell(v);
    return _mm512_mask_or_epi32(i, above(v, i), i, _mm512_set1_epi32(32));
  }
  vf level(vf x) const {
    const __m512 v = inside((__m512)x);
    const __m512i i = cell(v);
    const __m512 low = _mm512_permutex2var_ps(below0, i, below1), high = _mm512_permutex2var_ps(above0, i, above1);
    return (vf)_mm512_mask_blend_ps(above(v, i), low, high);
  }
  void count(const float* v, int n, int* counts) const;
};

// 15 sorted pivots in heap order for a binary search: node n, from 1, leads to 2n and 2n + 1.
__m512 heap_of(const float* pivot) {
  alignas(64) float tree[16] = {};
  for (int node = 1, level = 0; level < 4; ++level)
    for (int i = 0; i < 1 << level; ++i) tree[node++] = pivot[(8 >> level) - 1 + i * (16 >> level)];
  return _mm512_load_ps(tree);
}

// Any codebook: four steps of binary search over the pivots.
struct BySearch {
  const Codebook& c;
  __m512 heap, value;
  __m512i table;
  explicit BySearch(const Codebook& codebook) : c(codebook), heap(heap_of(codebook.pivot)) {
    alignas(64) float sorted[16];
    for (int j = 0; j < 16; ++j) sorted[j] = c.level[c.order[j]];
    value = _mm512_load_ps(sorted);
    table = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)c.order));
  }
  __m512i index(__m512 v) const {  // 16 + rank
    __m512i node = _mm512_set1_epi32(1);
    for (int level = 0; level < 4; ++level) {
      const __mmask16 above = _mm512_cmp_ps_mask(v, _mm512_permutexvar_ps(node, heap), _CMP_GT_OQ);
      const __m512i twice = _mm512_add_epi32(node, node);
      node = _mm512_mask_add_epi32(twice, above, twice, _mm512_set1_epi32(1));
    }
    return node;
  }
  vf level(vf v) const { return (vf)_mm512_permutexvar_ps(index((__m512)v), value); }
  void count(const float* v, int n, int* counts) const;
};

// Codes of 64 normalised values as bytes, in the order that packing leaves them in.
template <class Index>
__m512i codes64(const Index& by, __m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512i ab = _mm512_packus_epi32(by.index(a), by.index(b)), cd = _mm512_packus_epi32(by.index(c), by.index(d));
  return _mm512_permutexvar_epi8(_mm512_packus_epi16(ab, cd), by.table);
}

template <class Index>
void count_codes(const Index& by, const float* v, int n, int* counts) {
  const int whole = n / 64 * 64;
  for (int i = 0; i < whole; i += 64) {
    const __m512i codes = codes64(by, load16(v + i), load16(v + i + 16), load16(v + i + 32), load16(v + i + 48));
    for (int code = 0; code < 16; ++code)
      counts[code] += __builtin_popcountll(_mm512_cmpeq_epi8_mask(codes, _mm512_set1_epi8(char(code))));
  }
  for (int i = whole; i < n; ++i) ++counts[by.c.order[rank_of(v[i], by.c)]];
}
template <bool Wide>
void ByCell<Wide>::count(const float* v, int n, int* counts) const { count_codes(*this, v, n, counts); }
void BySearch::count(const float* v, int n, int* counts) const { count_codes(*this, v, n, counts); }

}  // namespace
}  // namespace qlora::avx512
