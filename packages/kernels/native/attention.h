// attention.h: out = softmax(scale · q·kᵀ) · v over the visible keys, a panel of rows against a tile of keys at a time
// with a running maximum and sum (Milakov and Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022, arXiv 2205.14135),
// and lse = ln Σ e^score for the backward. Scores are kept turned, [key][row], so that a register holds one key for W
// rows and the softmax reduces nothing within a register; and in units of ln 2, so that e^score is 2^score. A row that
// sees no key gives 0 and lse = -∞.
#pragma once
#include "attention_tile.h"

namespace qlora::QLORA_SIMD {

struct AttentionScratch {
  float *q, *k, *v, *out, *scores, *top, *sum, *factor;
  int32_t* visible;
  int64_t floats;

  AttentionScratch(float* base, int64_t d) {
    Placer place{base};
    q = place(ROWS * d);
    k = place(KEYS * pad(d));
    v = place(KEYS * pad(d));
    out = place(ROWS * pad(d));
    scores = place(KEYS * PANEL);
    top = place(ROWS);
    sum = place(ROWS);
    factor = place(PANEL);
    visible = reinterpret_cast<int32_t*>(place(ROWS));
    floats = place.floats;
  }
};

inline int64_t attention_scratch(int64_t head_dim) { return AttentionScratch(nullptr, head_dim).floats; }

// Scores [keys][PANEL] become 2^(score - maximum), the running maximum and sum of the rows are brought up to date, and
// `factor` says by how much what was summed before shrinks; true when it does. `masked` when some row does not see all
// of these keys.
template <bool masked>
inline bool softmax_tile(float* scores, float* top, float* sum, float* factor, const int32_t* visible,
                         int64_t first_key, int64_t keys, int64_t rows) {
  const vf lowest = splat(-std::numeric_limits<float>::infinity());
  vi shrinks{};
  for (int64_t r = 0; r < rows; r += W) {
    float* column = scores + r;
    const vi limit = load_int(visible + r) - int32_t(first_key);
    const vf before = load(top + r);
    vf most = before, other = lowest;
    for (int64_t key = 0; key < keys; ++key) {
      vf score = load(column + key * PANEL);
      if constexpr (masked) {
        score = vi{} + int32_t(key) < limit ? score : lowest;
        store(column + key * PANEL, score);
      }
      (key & 1 ? other : most) = max(score, key & 1 ? other : most);
    }
    most = max(most, other);
    const vf shift = most == lowest ? vf{} : most;
    vf even{}, odd{};
    for (int64_t key = 0; key < keys; ++key) {
      const vf weight = exp2(load(column + key * PANEL) - shift);
      store(column + key * PANEL, weight);
      (key & 1 ? odd : even) += weight;
    }
    const vf shrink = exp2(before - shift);
    store(factor + r, shrink);
    store(sum + r, fma(load(sum + r), shrink, even + odd));
    store(top + r, most);
    shrinks |= shrink != 1.0f;
  }
  for (int i = 0; i < W; ++i)
    if (shrinks[i]) return true;
  return false;
}

// The product of a few rows q [rows][ld] and keys: dot products along head_dim, since lanes of rows would be mostly
// empty.
inline void scores_of_few(float* scores, const KeyTile& k, const float* q, int64_t ld, int64_t keys, int64_t rows) {
  for (int64_t key = 0; key < keys; ++key, scores += PANEL) {
    store(scores, vf{});
    for (int64_t r = 0; r < rows; ++r)
      scores[r] = sum_terms(ld, [&](int64_t i, int) { return load(k.at + key * k.ld + i) * load(q + r * ld + i); });
  }
}

inline void attention(const Attention& call, const AttentionTask& task, float* scratch) {
  const AttentionScratch s(scratch, call.head_dim);
  const int64_t d = call.head_dim, ld = pad(d);
  for (int64_t begin = task.row_begin; begin < task.row_end; begin += ROWS) {
    const int64_t rows = std::min(ROWS, task.row_end - begin);
    const bool few = rows <= FEW;
    (few ? pack_rows : pack_rows_turned)(call, task, call.q, s.q, begin, rows, call.scale * log2_e);
    visible_rows(task, s.visible, begin, rows);
    for (int64_t r = 0; r < pad(rows); ++r) s.top[r] = -std::numeric_limits<float>::infinity(), s.sum[r] = 0;
    std::memset(s.out, 0, size_t(rows * ld) * sizeof(float));

    const int64_t all_keys = visible(task, begin + rows - 1);
    for (int64_t first = 0; first < all_keys; first += KEYS) {
      const int64_t tile = std::min(KEYS, all_keys - first);
      const KeyTile k = pack_keys(call, task, call.k, s.k, first, tile, rows);
      const KeyTile v = pack_keys(call, task, call.v, s.v, first, tile, rows);
      for (int64_t panel = 0; panel < rows; panel += PANEL) {
        const int64_t n = std::min(PANEL, rows - panel);
        const int64_t seen_by_all = s.visible[panel], seen_by_any = s.visible[panel + n - 1];
        const int64_t keys = std::min(KEYS, seen_by_any - first);
        if (keys <= 0) continue;
        float *out = s.out + panel * ld, *top = s.top + panel, *sum = s.sum + panel;
        const int32_t* limits = s.visible + panel;
        if (few)
          scores_of_few(s.scores, k, s.q, ld, keys, n);
        else
          product<false>(s.scores, PANEL, k.at, k.ld, 1, s.q + panel * d, PANEL, keys, pad(n), d);
        const bool shrinks = first + keys > seen_by_all
                                 ? softmax_tile<true>(s.scores, top, sum, s.factor, limits, first, keys, n)
                                 : softmax_tile<false>(s.scores, top, sum, s.factor, limits, first, keys, n);
        if (shrinks && first > 0)
          for (int64_t r = 0; r < n; ++r)
            for (int64_t i = 0; i < ld; i += W) store(out + r * ld + i, load(out + r * ld + i) * s.factor[r]);
        product<true>(out, ld, s.scores, 1, PANEL, v.at, v.ld, n, ld, keys);
      }
    }

    for (int64_t r = 0; r < rows; ++r) {
      const float sum = s.sum[r], inverse = sum == 0 ? 0.0f : 1.0f / sum;
      float* out = call.out + query_at(call, task, begin + r) * d;
      lanes(d, [&](int64_t i, int n) { store_lanes(out + i, load(s.out + r * ld + i) * inverse, n); });
      *lse_at(call, task, begin + r) = (s.top[r] + std::log2(sum)) * ln_2;
    }
  }
}

}  // namespace qlora::QLORA_SIMD
