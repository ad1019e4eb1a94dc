// products.h: matrix products straight from 4-bit weights w [n, k]. Everything row-major; x [m, k], y [m, n].
//
// w[i] = levels[code[i]] · scale[b] (+ shift[b]), b = ⌊i / block⌋ over the flattened tensor, each operation rounded to f32:
// the same weights that dequantisation gives. Sums are f32.
#pragma once
#include <cstdint>

#include "qlora/gemm_plan.h"
#include "qlora/simd.h"

namespace qlora {

// One f32 per block: absmax[b], or where codes is given map[codes[b]] · absmax[b / 256] + offset.
struct BlockValues {
  const float* absmax;
  const uint8_t* codes;
  const float* map;
  float offset;
};

struct Weights4 {
  int64_t n, k;
  const uint8_t* codes;  // two a byte, the first in the high nibble; row-major or in tiles
  bool tiled;
  const float* levels;   // [16]
  int64_t block;         // weights per scale, a power of two
  BlockValues scale;
  BlockValues shift;     // absmax null: none
};

// Tiles, for n % 16 = 0, block % 16 = 0 and k % block = 0: codes as [n/16][k/16][16 rows][8 bytes], so that both products read
// whole cache lines; one value per block as [n/16][k/block][16] (nested: the codes; their absmax keeps its order).
constexpr int64_t tile_side = 16, tile_bytes = 128;

// Row-major codes to tiles, and back where `tiled`.
void retile4(bool tiled, int64_t n, int64_t k, const uint8_t* codes, uint8_t* out);

struct Product4 {
  bool transposed;  // false: out [m, n] (+)= x [m, k] · wᵀ;  true: out [m, k] (+)= x [m, n] · w
  bool accumulate;
  int64_t m;
  const float* x;
  float* out;
  Weights4 w;
};

void product4(const Product4&);

// What each instruction set provides.
struct ProductKernels {
  // One block of the product.
  void (*block)(const Product4&, const GemmPlan&, const Block&, float* scratch);
  // Columns begin … end of x·wᵀ for a few rows of x (null: none such); working memory: gemv_scratch floats.
  void (*gemv)(const Product4&, const float* permuted, int64_t begin, int64_t end, float* scratch);
  void (*permute_x)(const float* x, int64_t k, float* out);  // x for gemv, k rounded up to gemv_step floats
};
constexpr int64_t gemv_rows = 4, gemv_columns = 32, gemv_step = 128;

}  // namespace qlora
