// products.cu: products with 4-bit weights on a device, and which way each is computed.
#include "decoded.h"
#include "qlora/cuda/dense.h"

namespace qlora::nf4 {
namespace {

using cuda::Product;
namespace gemm = cuda::gemm;

// From this many rows of x on, weights are decoded to `scratch` once and multiplied as a dense matrix; below, every tile of the
// product decodes its own. Decoding moves 2.5 bytes a weight through memory; a product with m rows costs 2m operations a weight, and
// the dense kernel runs faster than the fused one: much with cuBLAS (on Hopper about twice as fast), a little with the own tile loop.
// On an H200 (4.3 TB/s and 790 TFLOP/s are measured; 450 and 400 TFLOP/s assumed of the own loops) the two would meet near 230 and
// near 1000 rows. The same numbers are in src/device_products.ts. Weights that are decoded already are used from there on, too: what
// is at hand changes no bit.
constexpr int64_t dense_rows_cublas = 256, dense_rows = 1024;

bool by_dense(const cuda::DenseProduct& dense) {
  return dense.m >= (cuda::cublas::takes(dense) ? dense_rows_cublas : dense_rows);
}

template <Product product>
Status run(const DeviceProduct4& p, Stream stream) {
  constexpr bool transposed = product == Product::transposed;
  cuda::DenseProduct dense{p.m, p.w.n, p.w.k, 1.0f, p.accumulate, p.x, {const_cast<void*>(p.dense), false}, p.out};
  if ((p.dense || p.scratch) && by_dense(dense)) {
    Status status;
    if (!p.dense) {
      dense.right.data = p.scratch;
      status = dequantize(p.w, int64_t(p.w.n) * p.w.k, dense.right, stream);
    }
    return status.ok() ? cuda::dense<product>(dense, stream) : status;
  }
  const auto [rows, columns, depth] = cuda::result_size(product, p.m, p.w.n, p.w.k);
  const gemm::Dense x{p.x.data, int(rows), int(depth), p.x.f32};
  const gemm::Output out{p.out.data, int(rows), int(columns), p.out.f32, 1.0f, p.accumulate};
  if (x.chunked(false) && gemm::fills_large(rows, columns))
    return gemm::launch_gemm<gemm::Large, false, transposed, gemm::Copied, Decoded>(x, p.w, int(depth), out, stream);
  return gemm::launch_gemm<gemm::Small, false, transposed, gemm::Loaded, Decoded>(x, p.w, int(depth), out, stream);
}

}  // namespace

Status product4(const DeviceProduct4& p, Stream stream) {
  if (gemv_takes(p)) return gemv(p, stream);
  return p.transposed ? run<Product::transposed>(p, stream) : run<Product::forward>(p, stream);
}

}  // namespace qlora::nf4
