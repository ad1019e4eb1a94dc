// Numbers for tests: seeded, so that a failure can be repeated.

/** Uniform in [0, 1): splitmix32. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return ((t ^ (t >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** n values of N(0, σ²), Box and Muller. */
export function gaussian(n: number, seed: number, sigma = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from(
    { length: n },
    () => sigma * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

/** bf16 words by truncation: exact bf16 values, whatever the rounding. */
export function bf16(x: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(x.buffer, x.byteOffset, x.length), (bits) => bits >>> 16);
}

/** f16 words of values that f16 can hold, by truncation of the fraction; below 2^-14 they become 0. */
export function f16(x: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(x.buffer, x.byteOffset, x.length), (bits) => {
    const exponent = ((bits >>> 23) & 255) - 127 + 15;
    return ((bits >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (Math.min(exponent, 30) << 10) | ((bits >>> 13) & 1023));
  });
}
