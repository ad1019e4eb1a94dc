// products.cc: which dimension of a product is which, and its division over the threads.
#include "products.h"

#include <cstring>

namespace qlora {

namespace {

// Down the rows of w, a panel of 48 columns would read 24 bytes of each cache line: wider, shorter blocks read whole ones.
constexpr GemmPlan::Few row_layout{64, 8};

// Few rows of x: columns of y in tasks, the weights read once and never stored.
void gemv(const ProductKernels& kernels, const Product4& p) {
  const int64_t tasks = GemmPlan::ceil(p.w.n, gemv_columns), padded = GemmPlan::ceil(p.w.k, gemv_step) * gemv_step;
  float* const permuted = p.w.tiled ? nullptr : scratch<float, 1>(p.m * padded);
  if (permuted)
    for (int64_t i = 0; i < p.m; ++i) kernels.permute_x(p.x + i * p.w.k, p.w.k, permuted + i * padded);
  const auto task = [&](int64_t i) {
    float* const values = p.w.scale.codes ? scratch<float>(gemv_columns * (p.w.k / p.w.block)) : nullptr;
    kernels.gemv(p, permuted, i * gemv_columns, std::min(p.w.n, (i + 1) * gemv_columns), values);
  };
  parallel_if(2.0 * double(p.m) * double(p.w.n) * double(p.w.k) > GemmPlan::serial, tasks, task);
}

}  // namespace

void product4(const Product4& p) {
  const ProductKernels& kernels = tables<ProductKernels>.active();
  if (kernels.gemv && !p.transposed && p.m <= gemv_rows && p.w.k % p.w.block == 0 && p.w.block >= 32 && !p.w.shift.absmax)
    return gemv(kernels, p);
  const GemmPlan plan(p.m, p.transposed ? p.w.n : p.w.k, p.transposed ? p.w.k : p.w.n,
                      p.transposed && !p.w.tiled ? row_layout : GemmPlan::Few{128, 1});
  plan.run([&](const Block& block, float* scratch) { kernels.block(p, plan, block, scratch); });
}

void retile4(bool tiled, int64_t n, int64_t k, const uint8_t* codes, uint8_t* out) {
  parallel_for(n / tile_side, [=](int64_t i) {
    for (int64_t t = 0; t < k / tile_side; ++t)
      for (int64_t r = 0; r < tile_side; ++r) {
        const int64_t row = (i * tile_side + r) * (k / 2) + t * 8, tile = (i * (k / tile_side) + t) * tile_bytes + r * 8;
        std::memcpy(out + (tiled ? row : tile), codes + (tiled ? tile : row), 8);
      }
  });
}

}  // namespace qlora
