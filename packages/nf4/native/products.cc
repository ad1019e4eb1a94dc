// products.cc: which dimension of a product is which, and its division over the threads.
#include "products.h"

#include <cmath>
#include <cstring>

#include "qlora/pages.h"

namespace qlora {

namespace {

// Down the rows of w, a panel of 48 columns would read 24 bytes of each cache line: wider, shorter blocks read whole
// ones.
constexpr Blocking row_layout{.few_chunk = 64, .few_panels = 11};

// Few rows of x: columns of y in tasks, the weights read once and never stored.
void gemv(const ProductKernels& kernels, const Product4& p) {
  const bool parallel = 2.0 * double(p.m) * double(p.w.n) * double(p.w.k) > GemmPlan::serial;
  const int64_t parts = parallel ? 4 * Pool::instance().threads() : 1;
  const int64_t columns = GemmPlan::ceil(GemmPlan::ceil(p.w.n, parts), gemv_columns) * gemv_columns;
  const int64_t tasks = GemmPlan::ceil(p.w.n, columns), padded = GemmPlan::ceil(p.w.k, gemv_step) * gemv_step;
  float* x = nullptr;  // as the kernels want it
  if (kernels.tables_x && p.m <= gemv_table_rows) {
    const int64_t row = gemv_table * p.w.k, chunks = GemmPlan::ceil(p.w.k, gemv_chunk);
    x = scratch<float, 1>(p.m * row);
    parallel_if(parallel, p.m * chunks, [&](int64_t i) {
      const int64_t k = i % chunks * gemv_chunk;
      kernels.tables_x(p, i / chunks, k, std::min(p.w.k, k + gemv_chunk), x + i / chunks * row);
    });
  } else if (kernels.permute_x && !p.w.tiled) {
    x = scratch<float, 1>(p.m * padded);
    for (int64_t i = 0; i < p.m; ++i) kernels.permute_x(p.x + i * p.w.k, p.w.k, x + i * padded);
  }
  const auto task = [&](int64_t i) {
    float* const values = p.w.scale.codes ? scratch<float>(gemv_columns * (p.w.k / p.w.block)) : nullptr;
    kernels.gemv(p, x, i * columns, std::min(p.w.n, (i + 1) * columns), values);
  };
  parallel_if(parallel, tasks, task);
}

bool groups_fit(const Weights4& w) { return w.k % w.block == 0 && w.block % int8_group == 0 && !w.shift.absmax; }

// Activations in 8 bits: rows of x first, then blocks of the product.
void product8(const ProductKernels& kernels, Product4 p) {
  for (int i = 0; i < 16; ++i) p.w.level_max = std::max(p.w.level_max, std::fabs(p.w.levels[i]));
  p.int8 = !groups_fit(p.w) ? Int8::general : p.transposed ? Int8::backward : Int8::forward;
  const int64_t depth = p.transposed ? p.w.n : p.w.k, cols = p.transposed ? p.w.k : p.w.n;
  const GemmPlan plan(p.m, depth, cols, p.transposed ? int8_transposed : int8_usual);
  const int32_t* const x = quantize_rows(plan, p.x, p.int8 == Int8::forward, kernels.row8, kernels.quantize_row);
  plan.run([&](const Block& block, float* scratch) { kernels.block8(p, plan, block, x, scratch); });
}

}  // namespace

void product4(Product4 p) {
  alignas(64) uint8_t planes[2][4][256];
  for (BlockValues* values : {&p.w.scale, &p.w.shift}) {
    if (!values->codes) continue;
    auto& plane = planes[values == &p.w.shift];
    uint32_t bits[256];
    std::memcpy(bits, values->map, sizeof bits);
    for (int b = 0; b < 4; ++b)
      for (int i = 0; i < 256; ++i) plane[b][i] = uint8_t(bits[i] >> (8 * b));
    values->planes = plane[0];
  }
  const ProductKernels& kernels = tables<ProductKernels>.active();
  const int64_t cols = p.transposed ? p.w.k : p.w.n;
  if (p.m == 0 || p.w.n == 0 || p.w.k == 0) {  // an empty sum is 0
    if (!p.accumulate) std::fill_n(p.out, p.m * cols, 0.0f);
    return;
  }
  if (p.int8 != Int8::none) return product8(kernels, p);
  if (!p.transposed && p.m <= gemv_rows && p.w.k % p.w.block == 0 && p.w.block >= 32 && !p.w.shift.absmax)
    return gemv(kernels, p);
  const GemmPlan plan(p.m, p.transposed ? p.w.n : p.w.k, cols,
                      p.transposed && !p.w.tiled ? row_layout : Blocking{});
  plan.run([&](const Block& block, float* scratch) { kernels.block(p, plan, block, scratch); });
}

void retile4(bool tiled, int64_t n, int64_t k, const uint8_t* codes, uint8_t* out) {
  prefer_huge_pages(out, n * k / 2);
  parallel_for(n / tile_rows, [=](int64_t i) {
    for (int64_t t = 0; t < k / tile_columns; ++t)
      for (int64_t r = 0; r < tile_rows; ++r) {
        const int64_t row = (i * tile_rows + r) * (k / 2) + t * 4;
        const int64_t tile = (i * (k / tile_columns) + t) * tile_bytes + r * 4;
        std::memcpy(out + (tiled ? row : tile), codes + (tiled ? tile : row), 4);
      }
  });
}

}  // namespace qlora
