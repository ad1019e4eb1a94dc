// Philox and dropout in plain TypeScript.
import type { DropoutOptions } from "./elementwise.js";
import type { Floats } from "./reference.js";

/** The four words of a Philox4x32-10 block (Salmon et al. 2011). */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const low = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const a = c0 * 0xd2511f53n;
    const b = c2 * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & low, (a >> 32n) ^ c3 ^ k1, a & low];
    k0 = (k0 + 0x9e3779b9n) & low;
    k1 = (k1 + 0xbb67ae85n) & low;
  }
  return [Number(c0), Number(c1), Number(c2), Number(c3)];
}

export function dropout(x: Floats, y: Floats, { n, p, seed, offset = 0, accumulate = false }: DropoutOptions): void {
  const [high, low] = typeof seed === "bigint" ? [Number(seed >> 32n), Number(seed & 0xffffffffn)] : seed;
  const threshold = Math.min(Math.floor(p * 2 ** 32 + 0.5), 2 ** 32 - 1);
  const keep = Math.fround(1 / (1 - p));
  let words: number[][] = [];
  let group = -1;
  for (let i = 0; i < n; i++) {
    const element = offset + i;
    if (Math.floor(element / 64) !== group) {
      group = Math.floor(element / 64);
      words = Array.from({ length: 16 }, (_, lane) => {
        const c = group * 16 + lane;
        return philox([c % 2 ** 32, Math.floor(c / 2 ** 32), 0, 0], [low, high]);
      });
    }
    const word = words[element % 16]![Math.floor(element / 16) % 4]!;
    const value = word >= threshold ? x[i]! * keep : 0;
    y[i] = accumulate ? y[i]! + Math.fround(value) : value;
  }
}
