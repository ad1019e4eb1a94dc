// libcublas.c: a cuBLAS for tests: the functions that addons call, on host memory, column-major as the real one. It refuses what the
// real one would. MOCK_CUBLAS_FAIL is read at each call: the status that cublasCreate_v2 ("create:3") or cublasGemmEx ("gemm:13")
// answers.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
enum { R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, ALGO_DEFAULT = -1, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };

static int planned(const char* name) {
  const char* plan = getenv("MOCK_CUBLAS_FAIL");
  const size_t n = strlen(name);
  return plan && !strncmp(plan, name, n) && plan[n] == ':' ? atoi(plan + n + 1) : 0;
}
static float load(const void* p, size_t i, int type) {
  if (type == R_32F) return ((const float*)p)[i];
  uint32_t bits = (uint32_t)((const uint16_t*)p)[i] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
static void store(void* p, size_t i, int type, float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (type == R_32F) ((float*)p)[i] = x;
  else ((uint16_t*)p)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

API int cublasCreate_v2(void** handle) {
  static int made;
  *handle = &made;
  return planned("create");
}
API int cublasSetStream_v2(void* handle, void* stream) { return handle ? (void)stream, 0 : NOT_INITIALIZED; }
API int cublasGetProperty(int type, int* value) { return *value = type == 0 ? 13 : type, 0; }
API int cublasGemmEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int at, int lda,
                     const void* b, int bt, int ldb, const void* beta, void* c, int ct, int ldc, int compute, int algorithm) {
  if (planned("gemm")) return planned("gemm");
  if (!handle) return NOT_INITIALIZED;
  if (ta < 0 || ta > 1 || tb < 0 || tb > 1 || lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m) return INVALID_VALUE;
  if (at != R_16BF || bt != R_16BF || (ct != R_16BF && ct != R_32F) || compute != COMPUTE_32F || algorithm != ALGO_DEFAULT)
    return NOT_SUPPORTED;
  const float scale = *(const float*)alpha, keep = *(const float*)beta;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) {
      double sum = 0;
      for (int l = 0; l < k; ++l)
        sum += (double)load(a, ta ? (size_t)i * lda + l : (size_t)l * lda + i, at) *
               load(b, tb ? (size_t)l * ldb + j : (size_t)j * ldb + l, bt);
      const size_t o = (size_t)j * ldc + i;
      store(c, o, ct, scale * (float)sum + (keep == 0 ? 0 : keep * load(c, o, ct)));  // with beta 0, c may hold NaN
    }
  return 0;
}
