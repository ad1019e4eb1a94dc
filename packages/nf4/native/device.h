// device.h: the contract of the kernels on a device, with pointers of the device; codec.h and products.h are their CPU form.
// Functions queue kernels on a stream and return at once. Codes and scales are the bytes that the CPU makes.
#pragma once
#include <cstdint>

#include "qlora/cuda/product.h"

namespace qlora::nf4 {

using cuda::Matrix, cuda::Status, cuda::Stream;

// One f32 per block: absmax[b], or where codes is given map[codes[b]] · absmax[b / 256] + offset. absmax null: none.
struct DeviceValues {
  const float* absmax;
  const uint8_t* codes;
  const float* map;
  float offset;
};

// Weights [n, k]: w[i] = levels[code[i]] · scale[b] (+ shift[b]), b = i >> block_bits, each operation rounded to f32.
struct DeviceWeights {
  int n, k;
  const uint8_t* codes;  // row-major, two a byte, the first in the high nibble
  float levels[16];
  int block_bits;        // log2 of the weights per scale, at least 5
  DeviceValues scale, shift;
};

// What encoding needs to know about a codebook.
struct DeviceCodebook {
  float pivots[15];  // midpoints between neighbouring levels, ascending
  uint64_t order;    // nibble r: the code of rank r
  uint32_t zero;     // the code of 0
};

// scale[b] and codes of n weights (f32 or bf16) in blocks of 32 … 4096. *bad is the first block that is not all finite, or no_block.
// is_signed: the scale carries the sign of the largest weight.
constexpr int no_block = 0x7f7f7f7f;
Status quantize(Matrix x, int64_t n, int block, const DeviceCodebook& codebook, bool is_signed, float* scale, uint8_t* codes,
                int* bad, Stream stream);

// *mean of n values, summed in f64 in the order of codec.h; sums [n / 256, rounded up] is scratch.
Status mean(const float* x, int64_t n, double* sums, float* mean, Stream stream);

// 8-bit codes of x − *offset in blocks of 256; map has 256 ascending values.
Status quantize_blockwise(const float* x, int64_t n, const float* map, const float* offset, float* absmax, uint8_t* codes, Stream stream);

// out[i] = w[i] for the first `count` weights, f32 or bf16.
Status dequantize(const DeviceWeights& w, int64_t count, Matrix out, Stream stream);

struct DeviceProduct4 {
  bool transposed;  // false: out [m, n] (+)= x [m, k] · wᵀ;  true: out [m, k] (+)= x [m, n] · w
  bool accumulate;
  int64_t m;
  Matrix x, out;
  DeviceWeights w;
  void* scratch;      // bf16 [n, k] that may be overwritten, or null
  const void* dense;  // what dequantize gives as bf16, in place of decoding into scratch, or null
};
Status product4(const DeviceProduct4& p, Stream stream);

// y for 1 ≤ m ≤ device_gemv_rows rows of bf16 x; codes are read for four rows at a time.
constexpr int64_t device_gemv_rows = 16;
bool gemv_takes(const DeviceProduct4& p);
Status gemv(const DeviceProduct4& p, Stream stream);

}  // namespace qlora::nf4
