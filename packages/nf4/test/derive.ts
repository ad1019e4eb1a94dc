// AF4 and BOF4 from their definitions: the best 16 levels for normal weights in blocks of B.
//
// A block of B normal weights has the largest magnitude m with density B·(2Φ(m)−1)^(B−1)·2φ(m); given m, each other weight,
// normalised to x = w/m, has density m·φ(m·x)/(2Φ(m)−1) on [−1, 1]. AF4 minimises E|x − x̂| (arXiv 2306.06965), BOF4 the error
// of the weights themselves, E m²·(x − x̂)² (arXiv 2505.06653); −1, 0 and 1 are fixed. Under a signed scale (BOF4-S) the largest
// weight is always +1, so −1 need not be a level. Levels and cell bounds are iterated to the fixed point (Lloyd).

const POINTS = 1 << 13;

function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** 2Φ(m) − 1 at multiples of `step`, by Simpson's rule. */
function centralMass(step: number, count: number): Float64Array {
  const mass = new Float64Array(count);
  for (let i = 1; i < count; i++) {
    const a = (i - 1) * step;
    mass[i] =
      mass[i - 1]! + (step / 3) * (normalDensity(a) + 4 * normalDensity(a + step / 2) + normalDensity(a + step));
  }
  return mass;
}

/** Density of |x| at the middles of POINTS equal cells of [0, 1], each block weighted by m^power. */
function density(blockSize: number, power: number): Float64Array {
  const step = 0.004;
  const count = 2250; // m to 9
  const mass = centralMass(step, count);
  const p = new Float64Array(POINTS);
  for (let i = 1; i < count; i++) {
    const m = i * step;
    const weight = mass[i]! ** (blockSize - 2) * normalDensity(m) * m * m ** power;
    if (weight < 1e-18) continue;
    for (let j = 0; j < POINTS; j++) p[j]! += weight * normalDensity((m * (j + 0.5)) / POINTS);
  }
  return p;
}

/** Running integrals of p and x·p, at cell bounds, linear in between. */
function integrals(p: Float64Array): {
  mass: (x: number) => number;
  moment: (x: number) => number;
  inverse: (f: number) => number;
} {
  const mass = new Float64Array(POINTS + 1);
  const moment = new Float64Array(POINTS + 1);
  for (let j = 0; j < POINTS; j++) {
    mass[j + 1] = mass[j]! + p[j]!;
    moment[j + 1] = moment[j]! + (p[j]! * (j + 0.5)) / POINTS;
  }
  const at = (f: Float64Array, x: number) => {
    const t = Math.min(Math.abs(x), 1) * POINTS;
    const j = Math.min(POINTS - 1, Math.floor(t));
    return f[j]! + (t - j) * (f[j + 1]! - f[j]!);
  };
  return {
    mass: (x) => Math.sign(x) * at(mass, x), // odd, since the density is even
    moment: (x) => at(moment, x), // even
    inverse: (f) => {
      let low = 0;
      let high = POINTS;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (mass[middle]! <= Math.abs(f)) low = middle;
        else high = middle;
      }
      const part = (Math.abs(f) - mass[low]!) / (mass[low + 1]! - mass[low]!);
      return (Math.sign(f) * (low + part)) / POINTS;
    },
  };
}

/** The 16 levels, ascending. */
export function derive(name: "af4" | "bof4" | "bof4-s", blockSize: number): number[] {
  const { mass, moment, inverse } = integrals(density(blockSize, name === "af4" ? 0 : 2));
  const levels = Array.from({ length: 16 }, (_, i) => (i <= 7 ? (i - 7) / 7 : (i - 7) / 8));
  if (name === "bof4-s") for (let i = 0; i < 7; i++) levels[i] = (i - 7) / 8;
  for (let round = 0; round < 3000; round++) {
    let moved = 0;
    for (let i = 0; i < 16; i++) {
      if (levels[i] === 0 || levels[i] === 1 || (i === 0 && name !== "bof4-s")) continue;
      const middle = (j: number) =>
        name === "af4" && levels[j]! * levels[j + 1]! === 0 ? 0 : (levels[j]! + levels[j + 1]!) / 2;
      const a = i === 0 ? -1 : middle(i - 1);
      const b = middle(i);
      const level = name === "af4" ? inverse((mass(a) + mass(b)) / 2) : (moment(b) - moment(a)) / (mass(b) - mass(a));
      moved = Math.max(moved, Math.abs(level - levels[i]!));
      levels[i] = level;
    }
    if (moved < 1e-12) break;
  }
  return levels;
}
