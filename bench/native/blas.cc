// blas.cc: OpenBLAS where this machine has it, opened at run time.
#include "blas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <initializer_list>

namespace {
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
Sgemm sgemm = nullptr;
constexpr int row_major = 101, plain = 111, turned = 112;
}  // namespace

bool blas_open(int threads) {
  static void* library = nullptr;
  // Its threads look for work for 2^28 cycles after a product, in the turns of others; 2^20 are enough from one product to the next.
  setenv("OPENBLAS_THREAD_TIMEOUT", "20", 0);
  for (const char* name : {"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"})
    if (!library) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  if (auto set = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"))) set(threads);
  return sgemm != nullptr;
}

void blas_sgemm(bool transposed, int m, int n, int k, const float* x, const float* w, float* y) {
  if (transposed) sgemm(row_major, plain, plain, m, k, n, 1, x, n, w, k, 0, y, k);
  else sgemm(row_major, plain, turned, m, n, k, 1, x, k, w, k, 0, y, n);
}
