// attention_backward.h: the gradient of attention.h (Dao et al. 2022, arXiv 2205.14135, appendix B.2), with p =
// e^(score - lse) recomputed panel by panel and Δ = Σ dout · out of a row:
//   dv = pᵀ·dout,  dp = dout·vᵀ,  ds = p ∘ (dp - Δ),  dq = scale · ds·k,  dk = scale · dsᵀ·q.
// Scores are kept turned, [key][row], and in units of ln 2, as in the forward.
#pragma once
#include "attention_tile.h"

namespace qlora::QLORA_SIMD {

struct AttentionBackwardScratch {
  float *q, *dout, *q_turned, *dout_turned, *k, *v, *p, *ds, *dq, *dk, *dv, *lse, *delta;
  int32_t* visible;
  int64_t floats;

  AttentionBackwardScratch(float* base, int64_t d) {
    Placer place{base};
    for (float** rows : {&q, &dout, &dq}) *rows = place(ROWS * pad(d));
    for (float** rows : {&q_turned, &dout_turned}) *rows = place(ROWS * d);
    for (float** keys : {&k, &v, &dk, &dv}) *keys = place(KEYS * pad(d));
    for (float** scores : {&p, &ds}) *scores = place(KEYS * PANEL);
    for (float** row : {&lse, &delta}) *row = place(ROWS);
    visible = reinterpret_cast<int32_t*>(place(ROWS));
    floats = place.floats;
  }
};

inline int64_t attention_backward_scratch(int64_t head_dim) {
  return AttentionBackwardScratch(nullptr, head_dim).floats;
}

// p = 2^(p - lse) where visible, 0 elsewhere; ds = p ∘ (ds - Δ); both [keys][PANEL], in place.
template <bool masked>
inline void probability_tile(float* p, float* ds, const float* lse, const float* delta, const int32_t* visible,
                             int64_t first_key, int64_t keys, int64_t rows) {
  for (int64_t r = 0; r < rows; r += W) {
    const vi limit = load_int(visible + r) - int32_t(first_key);
    const vf log_sum = load(lse + r), shift = load(delta + r);
    for (int64_t key = 0; key < keys; ++key) {
      const int64_t at = key * PANEL + r;
      vf probability = exp2(load(p + at) - log_sum), gradient = probability * (load(ds + at) - shift);
      if constexpr (masked) {
        const auto seen = vi{} + int32_t(key) < limit;
        probability = seen ? probability : vf{};
        gradient = seen ? gradient : vf{};
      }
      store(p + at, probability);
      store(ds + at, gradient);
    }
  }
}

// to[key] += from[key], head_dim values each; `to` has its keys `stride` apart.
inline void add_keys(const float* from, float* to, int64_t stride, int64_t keys, int64_t d) {
  for (int64_t key = 0; key < keys; ++key, from += pad(d), to += stride)
    lanes(d, [&](int64_t i, int n) { store_lanes(to + i, load_lanes(to + i, n) + load(from + i), n); });
}

inline void attention_backward(const Attention& call, const AttentionTask& task, float* dk, float* dv, int64_t stride,
                               float* scratch) {
  const AttentionBackwardScratch s(scratch, call.head_dim);
  const int64_t d = call.head_dim, ld = pad(d);
  for (int64_t begin = task.row_begin; begin < task.row_end; begin += ROWS) {
    const int64_t rows = std::min(ROWS, task.row_end - begin);
    pack_rows(call, task, call.q, s.q, begin, rows, call.scale);
    pack_rows(call, task, call.dout, s.dout, begin, rows, 1);
    pack_rows_turned(call, task, call.q, s.q_turned, begin, rows, call.scale * log2_e);
    pack_rows_turned(call, task, call.dout, s.dout_turned, begin, rows, 1);
    visible_rows(task, s.visible, begin, rows);
    std::memset(s.dq, 0, size_t(rows * ld) * sizeof(float));
    for (int64_t r = 0; r < pad(rows); ++r) {
      s.lse[r] = s.delta[r] = 0;
      if (r >= rows) continue;
      s.lse[r] = *lse_at(call, task, begin + r) * log2_e;
      const float* out = call.out + query_at(call, task, begin + r) * d;
      vf delta{};
      lanes(d, [&](int64_t i, int n) { delta = fma(load(s.dout + r * ld + i), load_lanes(out + i, n), delta); });
      s.delta[r] = reduce_add(delta);
    }

    const int64_t all_keys = visible(task, begin + rows - 1);
    for (int64_t first = 0; first < all_keys; first += KEYS) {
      const int64_t tile = std::min(KEYS, all_keys - first);
      const KeyTile k = pack_keys(call, task, call.k, s.k, first, tile, rows);
      const KeyTile v = pack_keys(call, task, call.v, s.v, first, tile, rows);
      std::memset(s.dk, 0, size_t(tile * ld) * sizeof(float));
      std::memset(s.dv, 0, size_t(tile * ld) * sizeof(float));
      for (int64_t panel = 0; panel < rows; panel += PANEL) {
        const int64_t n = std::min(PANEL, rows - panel);
        const int64_t seen_by_all = s.visible[panel], seen_by_any = s.visible[panel + n - 1];
        const int64_t keys = std::min(KEYS, seen_by_any - first);
        if (keys <= 0) continue;
        product<false>(s.p, PANEL, k.at, k.ld, 1, s.q_turned + panel * d, PANEL, keys, pad(n), d);
        product<false>(s.ds, PANEL, v.at, v.ld, 1, s.dout_turned + panel * d, PANEL, keys, pad(n), d);
        (first + keys > seen_by_all
             ? probability_tile<true>
             : probability_tile<false>)(s.p, s.ds, s.lse + panel, s.delta + panel, s.visible + panel, first, keys, n);
        product<true>(s.dq + panel * ld, ld, s.ds, 1, PANEL, k.at, k.ld, n, ld, keys);
        product<true>(s.dv, ld, s.p, PANEL, 1, s.dout + panel * ld, ld, keys, ld, n);
        product<true>(s.dk, ld, s.ds, PANEL, 1, s.q + panel * ld, ld, keys, ld, n);
      }
      add_keys(s.dk, dk + first * stride, stride, tile, d);
      add_keys(s.dv, dv + first * stride, stride, tile, d);
    }
    for (int64_t r = 0; r < rows; ++r) {
      float* dq = call.dq + query_at(call, task, begin + r) * d;
      lanes(d, [&](int64_t i, int n) { store_lanes(dq + i, load(s.dq + r * ld + i) * call.scale, n); });
    }
  }
}

}  // namespace qlora::QLORA_SIMD
