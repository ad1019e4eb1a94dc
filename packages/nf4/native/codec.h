// codec.h: the contract of the codec. src/reference.ts states the same mathematics; every function here gives its bits,
// with every instruction set and any number of threads.
#pragma once
#include <cstdint>

namespace qlora::nf4 {

enum class Type { f32, bf16, f16 };

// 16 levels, and what encoding needs to know about them.
struct Codebook {
  alignas(64) float level[16];        // [code]
  alignas(64) float pivot[16];        // midpoints between neighbouring values, ascending; the last is +inf
  alignas(64) uint8_t order[16];      // [rank] code, ranks being ascending in value
  uint8_t remap[256];                 // two ranks in a byte → two codes in a byte
  bool ordered;                       // order is the identity
  uint8_t zero;                       // the code of 0
  // 32 equal cells over [-1, 1], cell(v) = ⌊15.9999·v + 16⌋ in one fma. Where no cell holds two pivots (`cells`), the code of v is
  // cell_code[cell + 32·(v > cell_pivot[cell])].
  bool cells;
  alignas(64) float cell_pivot[32];
  alignas(64) uint8_t cell_code[64];
};
Codebook prepare(const float* level);

// Where the scales of consecutive blocks are: plain, or in 8 bits: map[codes[b]]·absmax[b / 256] + offset.
struct Scales {
  const float* absmax;
  const uint8_t* codes;
  const float* map;
  float offset;
};

// Elements per task. Every block size divides it.
inline constexpr int64_t chunk = 16384;

// scale[b] and codes of n weights, shift[b] (or null: 0) subtracted first. Where there are `factors`, each scale is the largest
// magnitude times the factor with the least squared error. Returns the first block that is not all finite, or -1.
int64_t quantize(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                 const float* shift, const float* factors, int factor_count, float* scale, uint8_t* codes);

// out[i] = level[code]·scale (+ shift), f32 or bf16.
void dequantize(const uint8_t* codes, const float* level, int64_t n, int block, Scales scales, const float* shift,
                void* out, Type type);

// shift[b]: the candidate whose codes have the most entropy (search.h). Returns the first block that is not all finite, or -1.
int64_t search_shifts(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                      const float* fractions, int count, const double* costs, float* shift);
// shift[b] = 0 where that gives more entropy.
void guard_shifts(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                  const double* costs, float* shift);

// 8-bit blockwise, any block size, of x − offset; map has 256 ascending values.
int64_t quantize_blockwise(const float* x, int64_t n, int64_t block, const float* map, float offset, float* absmax,
                           uint8_t* codes);
void dequantize_blockwise(const uint8_t* codes, int64_t n, int64_t block, const float* map, const float* absmax,
                          float offset, float* out);

// The mean, summed in f64 in a fixed order (groups of 256, 8 lanes each), rounded to f32.
float mean(const float* x, int64_t n);

// The kernels of one instruction set. They work on whole chunks or what is left of the last; x is f32 or bf16.
struct Codec {
  void (*quantize)(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                   float* scale, uint8_t* codes);
  void (*encode)(const float* x, int64_t n, int block, const Codebook& codebook, const float* scale, uint8_t* codes);
  void (*dequantize)(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale,
                     const float* shift, void* out, Type type, bool stream);  // stream: past the caches
  void (*widen)(const uint16_t* x, Type type, int64_t n, float* out);
  void (*search_scales)(const float* x, int64_t n, int block, const Codebook& codebook, const float* factors, int count,
                        float* scale);
  void (*search_shifts)(const float* x, int64_t n, int block, const Codebook& codebook, bool is_signed,
                        const float* fractions, int count, const double* costs, float* shift);
  void (*guard_shifts)(const float* x, int64_t n, int block, const Codebook& codebook, bool is_signed,
                       const double* costs, float* shift);
  // codes[i] = how many of 255 ascending pivots are below x[i]·lift·inverse.
  void (*encode8)(const float* x, int64_t n, float lift, float inverse, const float* pivot, uint8_t* codes);
};

}  // namespace qlora::nf4
