// step.cu: one step of a parameter on a device: each rule of update.h, 32- and 8-bit states, f32 and bf16 weights. A warp
// takes 256 elements at a time, the block of the 8-bit codes. Compiled without contraction, like the CPU's kernels.
#include "qlora/cuda/kernel.h"

#define QLORA_SIMD cuda  // the namespace of update.h's formulas
namespace qlora::cuda {
using vf = float;
__device__ inline vf splat(float x) { return x; }
__device__ inline vf fma(vf a, vf b, vf c) { return __fmaf_rn(a, b, c); }
__device__ inline vf sqrt(vf a) { return __fsqrt_rn(a); }
}  // namespace qlora::cuda

#include "codes_cuda.h"
#include "cuda.h"
#include "rounding_cuda.h"
#include "update.h"

namespace qlora::cuda {
namespace {

constexpr int warps = 8;
constexpr int64_t most_blocks = 2048;  // enough to fill a GPU; each walks over the rest

template <class Rule, bool coded>
__global__ void __launch_bounds__(32 * warps) step_kernel(const optim::Step t) {
  QLORA_SHARED_STATIC(Maps, maps);
  QLORA_SHARED_STATIC(uint32_t, bits, [warps][4][32]);
  if constexpr (coded) build(maps);
  const Rule rule(t.hyper);
  float* const wide = t.master ? t.master : t.weights;
  const bool even = aligned(wide) && aligned(t.half_weights) && aligned(t.gradient);
  const int warp = threadIdx.x / 32;

  for (int64_t b = int64_t(blockIdx.x) * warps + warp; b * optim::block < t.n; b += int64_t(gridDim.x) * warps) {
    const int64_t at = b * optim::block, n = t.n - at;
    float p[8], g[8], s[Rule::states][8];
    uint8_t codes[8];
    uint16_t half[8];
    if (wide) load(p, wide + at, n, even);
    else {
      load(half, t.half_weights + at, n, even);
      for (int i = 0; i < 8; ++i) p[i] = __uint_as_float(uint32_t(half[i]) << 16);
    }
    load(g, t.gradient + at, n, even);
#pragma unroll
    for (int k = 0; k < Rule::states; ++k) {
      if constexpr (coded) {
        load(codes, t.codes[k] + at, n, aligned(t.codes[k]));
        if (optim::is_second_moment(Rule::id, k)) decode<false>(maps, codes, t.absmax[k][b], s[k]);
        else decode<true>(maps, codes, t.absmax[k][b], s[k]);
        if (n < optim::block)  // no code is zero for both maps: what lies past the end must not count in absmax
          for (int i = 0; i < 8; ++i) s[k][i] = quad(i / 4) + i % 4 < n ? s[k][i] : 0;
      } else {
        load(s[k], t.state[k] + at, n, aligned(t.state[k]));
      }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float states[Rule::states];
      for (int k = 0; k < Rule::states; ++k) states[k] = s[k][i];
      rule(p[i], fma(t.hyper.l2, p[i], t.hyper.scale * g[i]), states);
      for (int k = 0; k < Rule::states; ++k) s[k][i] = states[k];
    }
#pragma unroll
    for (int k = 0; k < Rule::states; ++k) {
      if constexpr (coded) {
        const float absmax =
            optim::is_second_moment(Rule::id, k) ? encode<false>(maps, s[k], codes) : encode<true>(maps, s[k], codes);
        store(t.codes[k] + at, codes, n, aligned(t.codes[k]));
        if (threadIdx.x % 32 == 0) t.absmax[k][b] = absmax;
      } else {
        store(t.state[k] + at, s[k], n, aligned(t.state[k]));
      }
    }
    if (wide) store(wide + at, p, n, even);
    if (t.half_weights) {
      if (t.master)
        for (int i = 0; i < 8; ++i) half[i] = to_nearest(p[i]);
      else stochastic(p, half, t.first + at, t.random, bits[warp]);
      store(t.half_weights + at, half, n, even);
    }
  }
}

template <class Rule>
Status run(const optim::Step& t, Stream stream) {
  const int64_t blocks = (t.n + warps * optim::block - 1) / (warps * optim::block);
  const unsigned grid = unsigned(blocks < most_blocks ? blocks : most_blocks);
  return launch(t.codes[0] ? step_kernel<Rule, true> : step_kernel<Rule, false>,
                {.grid = grid, .block = 32 * warps, .stream = stream}, t);
}

}  // namespace

Status step(const optim::Step& t, Stream stream) {
  switch (t.rule) {
    case optim::adam: return run<Adam>(t, stream);
    case optim::lion: return run<Lion>(t, stream);
    case optim::ademamix: return run<AdEMAMix>(t, stream);
    default: return run<Sgd>(t, stream);
  }
}

}  // namespace qlora::cuda
