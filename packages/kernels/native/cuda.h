// cuda.h: every operation on a device: functions that queue kernels on a stream and return at once. Pointers are the device's.
//
// Formulas are those of the CPU's headers (rms_norm.h, rope.h, …). Arrays are f32 or bf16, all Floats of a call alike where
// nothing else is said; arithmetic is f32. Sums have a fixed order, without atomics: the same arguments give the same bits.
// What the host cannot see is not checked there: an id, position or label out of range gives NaN, and reads nothing.
#pragma once
#include <cstdint>

#include "qlora/cuda/status.h"

struct bf16;

namespace qlora::cuda {

// An array of f32 or, when `narrow`, of bf16.
struct Floats {
  void* data = nullptr;
  bool narrow = false;
};

// x, y [m, d], weight [d], inv_rms [m].
Status rms_norm(Floats x, const float* weight, Floats y, float* inv_rms, int64_t m, int64_t d, float eps, Stream stream);
// dx is added to, and so is dweight [d] unless it is null.
Status rms_norm_backward(Floats dy, Floats x, const float* weight, const float* inv_rms, Floats dx, float* dweight, int64_t m,
                         int64_t d, Stream stream);

// x [m, heads, head_dim] in place; cos, sin [rows, head_dim / 2].
Status rope(Floats x, const int32_t* positions, const float* cos, const float* sin, int64_t m, int64_t heads, int64_t head_dim,
            int64_t rows, bool inverse, Stream stream);

// All [n]; outputs may be inputs.
Status swiglu(Floats gate, Floats up, Floats y, int64_t n, Stream stream);
Status swiglu_backward(Floats dy, Floats gate, Floats up, Floats dgate, Floats dup, int64_t n, Stream stream);

// logits [m, v], overwritten by the gradient where asked for.
Status cross_entropy(Floats logits, const int32_t* labels, float* losses, int64_t m, int64_t v, float scale, bool gradient,
                     Stream stream);

// table [vocab, d] and y, dy [m, d] are each f32 or bf16. dtable is added to, equal ids in the order of their rows.
Status embedding(const int32_t* ids, Floats table, Floats y, int64_t m, int64_t d, int64_t vocab, Stream stream);
Status embedding_backward(const int32_t* ids, Floats dy, Floats dtable, int64_t m, int64_t d, int64_t vocab, Stream stream);

// y += x;  x *= a;  sums[0] = Σ x², sums [sum_blocks] is scratch besides.
inline constexpr int64_t sum_blocks = 256;
Status add(Floats x, Floats y, int64_t n, Stream stream);
Status scale(Floats x, float a, int64_t n, Stream stream);
Status sum_squares(Floats x, float* sums, int64_t n, Stream stream);

// y (+)= x · keep: the stream of dropout.h.
Status dropout(Floats x, Floats y, int64_t n, double p, uint64_t seed, uint64_t offset, bool accumulate, Stream stream);

// y = x between the two types, or within one. NaN becomes 0x7fff in bf16.
Status convert(Floats x, Floats y, int64_t n, Stream stream);

// Causal attention over packed segments (attention.h), q, k, v and everything like them in bf16, on 16-byte boundaries.
// Segment borders cu_q, cu_k [segments + 1] are read on the device, which takes them to be at most q_rows and k_rows.
struct Attention {
  const bf16 *q, *k, *v;          // [tq, heads, head_dim], [tk, kv_heads, head_dim]
  const int32_t *cu_q, *cu_k;
  int32_t segments, q_rows, k_rows;
  int32_t heads, kv_heads, head_dim;  // head_dim a multiple of 8, at most 256
  float scale;                    // > 0
};
// out like q, lse [heads, tq]. The keys are divided among as many blocks as `scratch` has room for, (head_dim + 1) · heads ·
// q_rows floats each, at most one for every attention_part_keys: for few queries with many keys.
inline constexpr int64_t attention_part_keys = 256;
Status attention(const Attention& call, bf16* out, float* lse, float* scratch, int64_t scratch_length, Stream stream);
// dq, dk, dv are overwritten.
Status attention_backward(const Attention& call, const bf16* dout, const bf16* out, const float* lse, bf16* dq, bf16* dk, bf16* dv,
                          Stream stream);

}  // namespace qlora::cuda
