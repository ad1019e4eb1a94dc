// embedding.cu: rows of a table by id, and the backward, on a device: a block a row.
#include "eight.h"

namespace qlora::cuda {
namespace {

constexpr int row_threads = 128;

template <class W, class T>
__global__ void __launch_bounds__(row_threads)
    embedding_kernel(const int32_t* ids, const W* table, T* y, int64_t d, int64_t vocab, bool aligned) {
  const int64_t row = blockIdx.x, id = ids[row];
  const bool valid = id >= 0 && id < vocab;
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    float v[8];
    if (valid) {
      load(v, table + id * d + i, d - i, aligned);
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j) v[j] = NAN;
    }
    store(y + row * d + i, v, d - i, aligned);
  }
}

// The block of the first row with an id adds up all rows with it, in their order; the others have nothing to do.
template <class W, class T>
__global__ void __launch_bounds__(row_threads)
    embedding_backward_kernel(const int32_t* ids, const T* dy, W* dtable, int64_t m, int64_t d, int64_t vocab, bool aligned) {
  const int64_t row = blockIdx.x, id = ids[row];
  if (id < 0 || id >= vocab) return;
  bool earlier = false;
  for (int64_t i = threadIdx.x; i < row; i += row_threads) earlier |= ids[i] == id;
  if (__syncthreads_or(earlier)) return;
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    float sum[8], v[8];
    load(sum, dtable + id * d + i, d - i, aligned);
    for (int64_t same = row; same < m; ++same) {
      if (ids[same] != id) continue;
      load(v, dy + same * d + i, d - i, aligned);
#pragma unroll
      for (int j = 0; j < 8; ++j) sum[j] += v[j];
    }
    store(dtable + id * d + i, sum, d - i, aligned);
  }
}

}  // namespace

Status embedding(const int32_t* ids, Floats table, Floats y, int64_t m, int64_t d, int64_t vocab, Stream stream) {
  if (m == 0) return {};
  return with_type(table, [&]<class W>(W* w) {
    return with_type(y, [&]<class T>(T* p) {
      return launch(embedding_kernel<W, T>, {.grid = unsigned(m), .block = row_threads, .stream = stream}, ids, w, p, d, vocab,
                    rows_aligned(d, w, p));
    });
  });
}

Status embedding_backward(const int32_t* ids, Floats dy, Floats dtable, int64_t m, int64_t d, int64_t vocab, Stream stream) {
  if (m == 0) return {};
  return with_type(dtable, [&]<class W>(W* w) {
    return with_type(dy, [&]<class T>(T* p) {
      return launch(embedding_backward_kernel<W, T>, {.grid = unsigned(m), .block = row_threads, .stream = stream}, ids, p, w, m, d,
                    vocab, rows_aligned(d, w, p));
    });
  });
}

}  // namespace qlora::cuda
