// matmul_kernels.h: one block of a dense product, and few rows of one, compiled once per instruction set.
#pragma once
#include "matmul.h"
#include "qlora/gemm_int8.h"

namespace qlora::QLORA_SIMD {

// f(panel) with the weights as the product wants them.
template <class F>
void with_panel(const Matmul& p, const F& f) {
  if (p.product == Product::forward) {
    if (p.right) f(Transposed<float>{p.right, p.k});
    else f(Transposed<uint16_t>{p.right16, p.k});
  } else {
    if (p.right) f(Natural<float>{p.right, p.k});
    else f(Natural<uint16_t>{p.right16, p.k});
  }
}

inline void matmul_block(const Matmul& p, const GemmPlan& plan, const Block& block, float* scratch) {
  const bool across = p.product == Product::grad_weight;
  const Left left{p.left, p.product == Product::forward ? p.k : p.n, across};
  const Target y{p.out, plan.cols, p.alpha, p.accumulate};
  with_panel(p, [&](const auto& panel) { gemm_block(plan, block, left, panel, y, scratch); });
}

// The same in 8 bits with the arithmetic A.
template <class A>
void matmul_block8(const Matmul& p, const GemmPlan& plan, const Block& block, const int32_t* left, float* scratch) {
  const Target y{p.out, plan.cols, p.alpha, p.accumulate};
  with_panel(p, [&]<class Panel>(const Panel& panel) {
    gemm_block8<A>(plan, block, left, Rounded<A, Panel>{panel, plan.depth}, y, scratch);
  });
}

// y[m, n … n + R) (+)= alpha · x · wᵀ, M rows of x: weights are read once and go nowhere else. Lanes along k.
template <int M, int R, class T>
void dot_rows(const Matmul& p, const T* w, int64_t n) {
  vf sum[R][M]{};
  const T* row = w + n * p.k;
  const auto step = [&](int64_t k, auto load_at) {
    vf x[M];
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) x[m] = load_at(p.left + m * p.k + k);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const vf v = load_at(row + r * p.k + k);
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) sum[r][m] = fma(v, x[m], sum[r][m]);
    }
  };
  int64_t k = 0;
  for (; k + W <= p.k; k += W) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) prefetch(row + (r + R) * p.k + k);
    step(k, [](const auto* q) { return load_as_float(q); });
  }
  if (k < p.k) step(k, [&](const auto* q) { return load_as_float(q, int(p.k - k)); });
  for (int r = 0; r < R; ++r)
    for (int m = 0; m < M; ++m) {
      float* y = p.out + m * p.n + n + r;
      *y = (p.accumulate ? *y : 0.0f) + p.alpha * reduce_add(sum[r][m]);
    }
}

template <int M, class T>
void dot_columns(const Matmul& p, const T* w, int64_t begin, int64_t end) {
  int64_t n = begin;
  for (; n + 4 <= end; n += 4) dot_rows<M, 4>(p, w, n);
  for (; n < end; ++n) dot_rows<M, 1>(p, w, n);
}

inline void gemv(const Matmul& p, int64_t begin, int64_t end) {
  const auto run = [&](const auto* w) {
    if (p.m == 1) dot_columns<1>(p, w, begin, end);
    else if (p.m == 2) dot_columns<2>(p, w, begin, end);
    else if (p.m == 3) dot_columns<3>(p, w, begin, end);
    else dot_columns<4>(p, w, begin, end);
  };
  if (p.right) run(p.right);
  else run(p.right16);
}

template <class A>
inline constexpr MatmulKernels matmul_kernels{matmul_block, matmul_block8<A>, A::quantize, A::dwords, gemv};

}  // namespace qlora::QLORA_SIMD
