// products.h: matrix products straight from 4-bit weights w [n, k]. Everything row-major; x [m, k], y [m, n].
//
// w[i] = levels[code[i]] · scale[b] (+ shift[b]), b = ⌊i / block⌋ over the flattened tensor, each operation rounded to
// f32: the same weights that dequantisation gives. Sums are f32.
#pragma once
#include <cstdint>

#include "qlora/int8.h"
#include "qlora/simd.h"

namespace qlora {

// One f32 per block: absmax[b], or where codes is given map[codes[b]] · absmax[b / 256] + offset.
struct BlockValues {
  const float* absmax;
  const uint8_t* codes;
  const float* map;
  float offset;
  const uint8_t* planes;  // map by bytes, [4][256], 64-byte aligned; product4 makes it
};

struct Weights4 {
  int64_t n, k;
  const uint8_t* codes;  // two a byte, the first in the high nibble; row-major or in tiles
  bool tiled;
  const float* levels;   // [16]
  float level_scale;     // round(level · level_scale) is the level in 8 bits
  float level_max;       // max |level|; product4 sets it
  int64_t block;         // weights per scale, a power of two
  BlockValues scale;
  BlockValues shift;     // absmax null: none
};

// Tiles, for n % 16 = 0, block % 16 = 0 and k % block = 0: codes as [n/16][k/8][16 rows][4 bytes], so that both
// products read whole cache lines; one value per block as [n/16][k/block][16] (nested: the codes; their absmax keeps
// its order).
constexpr int64_t tile_rows = 16, tile_columns = 8, tile_bytes = 64;

// Row-major codes to tiles, and back where `tiled`.
void retile4(bool tiled, int64_t n, int64_t k, const uint8_t* codes, uint8_t* out);

// With activations in 8 bits (qlora/gemm_int8.h), how a group of 64 weights along the reduction is brought to 8 bits: in
// the first two ways by its codes alone, where a block holds whole groups of rows (forward) or of columns (backward).
enum class Int8 { none, forward, backward, general };

struct Product4 {
  bool transposed;  // false: out [m, n] (+)= x [m, k] · wᵀ;  true: out [m, k] (+)= x [m, n] · w
  bool accumulate;
  Int8 int8;
  int64_t m;
  const float* x;
  float* out;
  Weights4 w;
};

void product4(Product4);

// What each instruction set provides.
struct ProductKernels {
  // One block of the product.
  void (*block)(const Product4&, const GemmPlan&, const Block&, float* scratch);
  // The same in 8 bits, and a row of x for it: row8 dwords a group.
  void (*block8)(const Product4&, const GemmPlan&, const Block&, const int32_t* x, float* scratch);
  void (*quantize_row)(const float* x, int64_t depth, bool interleaved, int32_t* out);
  // Columns begin … end of x·wᵀ for a few rows of x; working memory for the scales of gemv_columns rows of w.
  void (*gemv)(const Product4&, const float* permuted, int64_t begin, int64_t end, float* scratch);
  // A row of x as gemv wants it for weights in rows, k rounded up to gemv_step floats (null: as it is).
  void (*permute_x)(const float* x, int64_t k, float* out);
  // Or for up to gemv_table_rows rows of x, tables of elements begin … end of row m: gemv_table floats for each of the k
  // elements of a row.
  void (*tables_x)(const Product4&, int64_t m, int64_t begin, int64_t end, float* out) = nullptr;
  int64_t row8 = int8_dwords;
};
constexpr int64_t gemv_rows = 4, gemv_columns = 32, gemv_step = 128;
constexpr int64_t gemv_table = 17, gemv_table_rows = 2, gemv_chunk = 256;  // elements whose tables stay in the nearest cache

}  // namespace qlora
