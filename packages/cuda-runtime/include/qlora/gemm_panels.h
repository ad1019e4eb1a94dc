// gemm_panels.h: panels of dense weights for gemm.h; T is float or uint16_t (bf16).
#pragma once
#include "transpose.h"

namespace qlora::QLORA_SIMD {

// Up to two stretches of memory to be fetched soon: rows of `bytes` bytes, `stride` bytes apart. A part of their cache
// lines at a time, so that fetching overlaps with arithmetic.
struct Ahead {
  struct Stretch {
    const char* data;
    int64_t stride, rows, bytes;
    int64_t per_row() const { return (bytes + 63) / 64; }
  } stretch[2]{};
  int at = 0;
  int64_t row = 0, line = 0;

  int64_t lines() const { return stretch[0].rows * stretch[0].per_row() + stretch[1].rows * stretch[1].per_row(); }
  void fetch(int64_t lines) {
    for (; at < 2; ++at, row = line = 0) {
      const Stretch& s = stretch[at];
      for (; row < s.rows; ++row, line = 0)
        for (; line < s.per_row(); ++line, --lines) {
          if (lines <= 0) return;
          prefetch(s.data + row * s.stride + line * 64);
        }
    }
  }
};

inline vf load_as_float(const float* p) { return load(p); }
inline vf load_as_float(const uint16_t* p) { return widen(p); }
inline vf load_as_float(const float* p, int n) { return load_part(p, n); }
inline vf load_as_float(const uint16_t* p, int n) {
  uint16_t t[W]{};
  std::memcpy(t, p, size_t(n) * 2);
  return widen(t);
}

// out[k·width + i] = w[i·stride + k], i < rows ≤ W, k < kc; zeros for rows ≤ i < W.
template <class T>
void transpose_rows(const T* w, int64_t stride, int rows, int64_t kc, float* out, int64_t width) {
  for (int64_t k = 0; k < kc; k += W) {
    const int steps = int(W < kc - k ? W : kc - k);
    vf r[W];
    if (rows == W && steps == W) {
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) r[i] = load_as_float(w + i * stride + k);
    } else {
      for (int i = 0; i < W; ++i) r[i] = i < rows ? load_as_float(w + i * stride + k, steps) : vf{};
    }
    transpose(r);
    for (int i = 0; i < steps; ++i) store(out + (k + i) * width, r[i]);
  }
}

// b[k, c] = w[k, c]: the rows of w are summed over.
template <class T>
struct Natural {
  const T* w;
  int64_t stride;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const {
    return {{{(const char*)(w + k0 * stride + col), stride * int64_t(sizeof(T)), kc, cols * int64_t(sizeof(T))}}};
  }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    const int whole = cols / W, rest = cols % W;
    for (int64_t k = 0; k < kc; ++k) {
      const T* p = w + (k0 + k) * stride + col;
      for (int v = 0; v < whole; ++v, out += W) store(out, load_as_float(p + v * W));
      if (rest) store(out, load_as_float(p + whole * W, rest)), out += W;
    }
  }
};

// b[k, c] = w[c, k]: the columns of w are summed over.
template <class T>
struct Transposed {
  const T* w;
  int64_t stride;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const {
    return {{{(const char*)(w + col * stride + k0), stride * int64_t(sizeof(T)), cols, kc * int64_t(sizeof(T))}}};
  }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    const int64_t width = (cols + W - 1) / W * W;
    for (int c = 0; c < cols; c += W)
      transpose_rows(w + (col + c) * stride + k0, stride, W < cols - c ? W : cols - c, kc, out + c, width);
  }
};

}  // namespace qlora::QLORA_SIMD
