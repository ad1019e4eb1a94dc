// int8.h: sizes of products whose operands are brought to 8 bits (gemm_int8.h).
#pragma once
#include <cstdint>

#include "gemm_plan.h"

namespace qlora {

// A row of the left operand in 8 bits: for each group of 64 elements 16 dwords of 4 bytes, the scale, and -128 times the sum of the
// bytes. Instruction sets may need more dwords a group.
constexpr int64_t int8_group = 64, int8_dwords = 18;
constexpr int64_t int8_columns = 384;  // of a block at most

constexpr Blocking int8_usual{.chunk = 512, .few_chunk = 384};
constexpr Blocking int8_transposed{.chunk = 512, .few_panels = int8_columns / GemmPlan::panel};

// The left operand [rows, depth] in 8 bits, made by quantize_row(x, depth, interleaved, out); `dwords` a group.
template <class F>
const int32_t* quantize_rows(const GemmPlan& plan, const float* x, bool interleaved, int64_t dwords, const F& quantize_row) {
  const int64_t row = GemmPlan::ceil(plan.depth, int8_group) * dwords;
  int32_t* const out = scratch<int32_t, 1>(plan.rows * row);
  const int64_t rows = std::max<int64_t>(1, 16384 / plan.depth);  // per task
  parallel_if(plan.parallel, GemmPlan::ceil(plan.rows, rows), [&](int64_t i) {
    for (int64_t r = i * rows; r < std::min(plan.rows, (i + 1) * rows); ++r)
      quantize_row(x + r * plan.depth, plan.depth, interleaved, out + r * row);
  });
  return out;
}

}  // namespace qlora
