// A small seeded generator (Marsaglia's xorshift32 on a hashed seed): the corpus, the tasks and the weights start from here.

export class Random {
  private state: number;
  private spare: number | undefined;
  constructor(seed: number) {
    this.state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.uniform();
  }
  /** In [0, 1). */
  uniform(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state / 2 ** 32;
  }
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  /** `n` different items, in random order. */
  some<T>(items: readonly T[], n: number): T[] {
    const rest = [...items];
    return Array.from({ length: n }, () => rest.splice(this.below(rest.length), 1)[0]!);
  }
  /** N(0, 1), by Marsaglia's polar method. */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    for (;;) {
      const [u, v] = [2 * this.uniform() - 1, 2 * this.uniform() - 1];
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(s)) / s);
      this.spare = v * factor;
      return u * factor;
    }
  }
}
