// kernels.h: the contract of each kernel; one table of them per instruction set. The arithmetic is in the header named
// after the operation. Everything is row-major float32; rows given here are a part of the caller's, so that a caller
// can divide the work. No kernel allocates, throws or starts a thread.
#pragma once
#include <cstdint>

#include "qlora/simd.h"

namespace qlora {

// One call of attention or its backward. Tokens of all segments lie one after another; a token's heads are adjacent.
struct Attention {
  const float *q, *k, *v;  // [tq, heads, head_dim], [tk, kv_heads, head_dim] twice
  float *out, *lse;        // [tq, heads, head_dim], [heads, tq]
  const float* dout;       // [tq, heads, head_dim], backward only, like the rest
  float *dq, *dk, *dv;     // like q, k, v
  int64_t tq, heads, kv_heads, head_dim;
  float scale;  // of q·k, before the softmax
};

// One segment's share of one task. Query i of `queries` sees keys 0 … i + keys - queries (aligned at the end of the
// keys). The rows of a key head are its (query, head of the group) pairs, row = query · group + head.
struct AttentionTask {
  int64_t q_begin, queries, k_begin, keys;  // tokens
  int64_t kv_head;
  int64_t head_begin, group;   // the query heads of this task: head_begin … head_begin + group - 1, all reading kv_head
  int64_t row_begin, row_end;  // of queries · group
};

struct Kernels {
  // y = x · inv_rms · weight, inv_rms = 1 / √(mean(x²) + eps); x, y [m, d], weight [d], inv_rms [m]
  void (*rms_norm)(const float* x, const float* weight, float* y, float* inv_rms, int64_t m, int64_t d, float eps);
  // dx += inv_rms · (dy·weight - x · inv_rms² · mean(dy·weight·x))
  void (*rms_norm_backward)(const float* dy, const float* x, const float* weight, const float* inv_rms, float* dx,
                            int64_t m, int64_t d);
  // dweight[begin … end) += Σ rows dy · x · inv_rms
  void (*rms_norm_backward_weight)(const float* dy, const float* x, const float* inv_rms, float* dweight, int64_t m,
                                   int64_t d, int64_t begin, int64_t end);
  // Turns pairs (x[i], x[i + head_dim/2]) of x [m, heads, head_dim] by the angles of row positions[token] of the tables
  // [rows, head_dim/2]; inverse turns back.
  void (*rope)(float* x, const int32_t* positions, const float* cos, const float* sin, int64_t m, int64_t heads,
               int64_t head_dim, bool inverse);

  // Rows of one task: out and lse. Scratch: attention_scratch(head_dim) floats, 64-byte aligned.
  void (*attention)(const Attention& call, const AttentionTask& task, float* scratch);
  int64_t (*attention_scratch)(int64_t head_dim);
  // Rows of one task: dq is overwritten; dk, dv, those of the task's first key and key head, are added to, with the
  // next key `stride` further on.
  void (*attention_backward)(const Attention& call, const AttentionTask& task, float* dk, float* dv, int64_t stride,
                             float* scratch);
  int64_t (*attention_backward_scratch)(int64_t head_dim);

  // y = silu(gate) · up
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  void (*swiglu_backward)(const float* dy, const float* gate, const float* up, float* dgate, float* dup, int64_t n);
  // losses = logsumexp(row) - row[label], 0 where label < 0; with gradient, a row of logits [m, v] becomes
  // scale · (softmax - onehot(label)).
  void (*cross_entropy)(float* logits, const int32_t* labels, float* losses, int64_t m, int64_t v, float scale,
                        bool gradient);
  void (*add)(const float* x, float* y, int64_t n);  // y += x
  void (*scale)(float* x, float a, int64_t n);       // x *= a
  double (*sum_squares)(const float* x, int64_t n);  // Σ x², the same bits on every instruction set
  // y = (or +=) x · keep / (1 - p), the mask from elements offset … of the stream of `seed` (dropout.h)
  void (*dropout)(const float* x, float* y, int64_t n, double p, uint64_t seed, uint64_t offset, bool accumulate);
  void (*to_bf16)(const float* x, uint16_t* y, int64_t n);
  void (*from_bf16)(const uint16_t* x, float* y, int64_t n);
};

}  // namespace qlora
