// step.h: one step of one run of a parameter, whatever its number formats: the portable driver around the kernels.
#pragma once
#include "optim.h"

namespace qlora::optim {

struct Step {
  int rule;
  int64_t n;
  float* weights;          // [n] f32, or null and
  uint16_t* half_weights;  // [n] bf16
  float* master;           // [n] f32 weights behind bf16 ones, or null
  const float* gradient;   // [n]
  float* state[most_states];    // [n] f32 each, or null and
  uint8_t* codes[most_states];  // [n] with
  float* absmax[most_states];   // [ceil(n / 256)]
  Hyper hyper;
  Random random;    // for bf16 weights without a master
  int64_t first;    // index of the run's first element in its parameter, a multiple of 256
};

// In place; one pass over memory; the same bits for any number of threads.
void step(const Step& step);

// Σ x² in f64, in a fixed order; x *= a.
double sum_squares(const float* x, int64_t n, double* partial /* [ceil(n / chunk)] */);
void scale(float* x, float a, int64_t n);

inline constexpr int64_t chunk = 16384;  // elements per task: a multiple of 256, a task's data fits the L2 cache

}  // namespace qlora::optim
