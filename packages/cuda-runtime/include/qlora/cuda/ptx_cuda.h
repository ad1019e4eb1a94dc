// ptx_cuda.h: the instructions that C++ has no word for, as PTX (sm_80 and up). ptx_emu.h has the same for the emulator.
#pragma once
#include <cstdint>

namespace qlora::ptx {

__device__ __forceinline__ uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }

// Two floats rounded to bf16, `low` in the low half.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
__device__ __forceinline__ uint16_t round_bf16(float x) { return uint16_t(pack_bf16(x, 0.0f)); }

// 2^x to 2 ulp; results below 2^-126 are 0.
__device__ __forceinline__ float exp2(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// Copies 16, 8 or 4 bytes to shared memory while the thread goes on; zeros instead where `valid` is false (`source` is then
// not read, but must still be an address).
template <int bytes = 16>
__device__ __forceinline__ void copy_async(void* shared, const void* source, bool valid = true) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  const int size = valid ? bytes : 0;
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(source), "r"(size) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(source), "n"(bytes), "r"(size)
                 : "memory");
}
// Seals the copies of this thread since the last seal into a group.
__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `open` groups of this thread are under way. Other threads see the data after a barrier.
template <int open>
__device__ __forceinline__ void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory");
}

// Loads 8×8 matrices of 16-bit elements from shared memory; lane 8m + r gives row r of matrix m (16 bytes, 16-aligned).
// Register m of lane l then holds elements (l/4, 2(l%4)) and the next of matrix m; of its transpose in the _trans form.
#define QLORA_LDMATRIX(name, suffix)                                                                                         \
  __device__ __forceinline__ void name(uint32_t (&r)[4], const void* row) {                                                  \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" suffix ".shared.b16 {%0, %1, %2, %3}, [%4];"                               \
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");                    \
  }                                                                                                                          \
  __device__ __forceinline__ void name(uint32_t (&r)[2], const void* row) {                                                  \
    asm volatile("ldmatrix.sync.aligned.m8n8.x2" suffix ".shared.b16 {%0, %1}, [%2];"                                       \
                 : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");                                            \
  }
QLORA_LDMATRIX(ldmatrix, "")
QLORA_LDMATRIX(ldmatrix_trans, ".trans")
#undef QLORA_LDMATRIX

// d [16, 8] += a [16, 16] · b [16, 8], bf16 in, f32 out; a by rows, b by columns (PTX ISA, mma.m16n8k16).
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// d [16, 8] += a [16, 32] · b [32, 8], int8 in, int32 out (mma.m16n8k32).
__device__ __forceinline__ void mma_s8(int (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace qlora::ptx
