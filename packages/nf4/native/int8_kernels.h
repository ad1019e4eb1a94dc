// int8_kernels.h: products with activations in 8 bits (gemm_int8.h), the weights' groups made from their codes.
#pragma once
#include "int8_panels.h"

namespace qlora::QLORA_SIMD {

// Groups made from codes by G; what they read is known to Panel.
template <class Panel, class G>
struct CodeGroups {
  const Product4& p;
  const Panel& panel;
  RowTables tables;
  CodeGroups(const Product4& p, const Panel& panel, const Block& block) : p(p), panel(panel) {
    tables.col = block.col;
    tables.cols = block.cols;
  }
  void fill(int64_t k, int64_t col, int cols, const Group8& out) {
    if (col == tables.col) tables.block = -1;  // another group: other rows
    if (p.int8 == Int8::forward) G::forward(p.w, k, col, cols, out);
    else G::backward(p.w, k, col, cols, tables, out);
  }
  Ahead ahead(int64_t k, int64_t n, int64_t col, int64_t cols) const { return panel.ahead(k, n, col, cols); }
};

// One block of the product; x from A::quantize. P has the panels in f32, G makes groups from codes.
template <class P, class A, class G>
void product_block8(const Product4& p, const GemmPlan& plan, const Block& block, const int32_t* x, float* scratch) {
  const Target y{p.out, plan.cols, 1.0f, p.accumulate};
  with_panel<P>(p, [&]<class Panel>(const Panel& panel) {
    if (p.int8 == Int8::general) gemm_block8<A>(plan, block, x, Rounded<A, Panel>{panel, plan.depth}, y, scratch);
    else gemm_block8<A>(plan, block, x, CodeGroups<Panel, G>(p, panel, block), y, scratch);
  });
}

}  // namespace qlora::QLORA_SIMD
