// The order of training, packing, and setting aside: each a function of the seed, each complete.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  batches,
  type Cursor,
  firstFit,
  permutation,
  philox,
  type Step,
  splitHeldOut,
  trainingSteps,
} from "../src/index.js";

const sorted = (x: Iterable<number>): number[] => [...x].sort((a, b) => a - b);
const count = (n: number): number[] => [...Array(n).keys()];
const lengthsOf = (n: number): number[] => count(n).map((i) => 1 + ((i * 7919) % 97));

describe("random numbers", () => {
  // Random123, kat_vectors: philox4x32 10.
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)("Philox 4x32-10 of %j", (counter, key, expected) => expect(philox(counter, key)).toEqual(expected));

  test("permutation: complete, seeded, different for every seed, stream and epoch", () => {
    const base = permutation(1000, { seed: 5, stream: 1 });
    expect(sorted(base)).toEqual(count(1000));
    expect(permutation(1000, { seed: 5, stream: 1 })).toEqual(base);
    for (const other of [
      { seed: 6, stream: 1 },
      { seed: 5 + 2 ** 32, stream: 1 },
      { seed: 5, stream: 2 },
      { seed: 5, stream: 1, epoch: 1 },
    ]) {
      expect(permutation(1000, other)).not.toEqual(base);
    }
    expect(permutation(0, { seed: 0, stream: 1 })).toHaveLength(0);
  });

  test("permutation: every order of four is about as frequent (χ², 23 degrees of freedom)", () => {
    const seen = new Map<string, number>();
    const runs = 24_000;
    for (let seed = 0; seed < runs; seed++) {
      const key = permutation(4, { seed, stream: 1 }).join("");
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    const chi2 = [...seen.values()].reduce((sum, n) => sum + (n - runs / 24) ** 2 / (runs / 24), 0);
    expect(chi2).toBeLessThan(49.7); // p = 0.001
  });

  test("bad seeds and sizes", () => {
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 60])
      expect(() => permutation(3, { seed, stream: 1 })).toThrow(RangeError);
    for (const n of [-1, 0.5, 2 ** 31]) expect(() => permutation(n, { seed: 1, stream: 1 })).toThrow(RangeError);
  });
});

const options = fc.record({
  n: fc.integer({ min: 1, max: 400 }),
  batchSize: fc.integer({ min: 1, max: 9 }),
  accumulation: fc.integer({ min: 1, max: 5 }),
  groupByLength: fc.boolean(),
  shuffle: fc.boolean(),
  seed: fc.nat(),
  epoch: fc.nat(20),
});

describe("batches", () => {
  test("every example once; full micro-batches and steps but for the last of each", () => {
    fc.assert(
      fc.property(options, ({ n, ...rest }) => {
        const steps = batches({ lengths: lengthsOf(n), ...rest });
        const micro = steps.flat();
        expect(sorted(micro.flat())).toEqual(count(n));
        expect(micro).toHaveLength(Math.ceil(n / rest.batchSize));
        expect(micro.filter((x) => x.length < rest.batchSize).length).toBe(n % rest.batchSize === 0 ? 0 : 1);
        expect(steps.slice(0, -1).every((x) => x.length === rest.accumulation)).toBe(true);
        expect(steps).toEqual(batches({ lengths: lengthsOf(n), ...rest }));
      }),
    );
  });

  test("dropLast leaves whole steps only", () => {
    fc.assert(
      fc.property(options, ({ n, ...rest }) => {
        const steps = batches({ lengths: lengthsOf(n), ...rest, dropLast: true });
        expect(steps.every((x) => x.length === rest.accumulation && x.every((y) => y.length === rest.batchSize))).toBe(
          true,
        );
        const whole = Math.floor(Math.floor(n / rest.batchSize) / rest.accumulation);
        expect(steps).toHaveLength(whole);
      }),
    );
  });

  test("epochs and seeds differ; without shuffling they do not", () => {
    const base = { lengths: lengthsOf(100), batchSize: 4, accumulation: 2 };
    expect(batches({ ...base, epoch: 1 })).not.toEqual(batches(base));
    expect(batches({ ...base, seed: 1 })).not.toEqual(batches(base));
    expect(batches({ ...base, shuffle: false }).flat(2)).toEqual(count(100));
  });

  test("groupByLength: less padding, still random, the longest first", () => {
    const lengths = Array.from(permutation(800, { seed: 1, stream: 9 }), (x) => x + 1);
    const base = { lengths, batchSize: 8, accumulation: 2, seed: 3 };
    const padding = (steps: Step[]): number =>
      steps
        .flat()
        .reduce((sum, x) => sum + x.reduce((s, i) => s + Math.max(...x.map((j) => lengths[j]!)) - lengths[i]!, 0), 0);
    const grouped = batches({ ...base, groupByLength: true });
    expect(padding(grouped)).toBeLessThan(0.1 * padding(batches(base)));
    expect(grouped[0]![0]!.some((i) => lengths[i] === 800)).toBe(true);
    expect(batches({ ...base, groupByLength: true, epoch: 1 })).not.toEqual(grouped);
    // Lengths are not in order over the epoch: micro-batches alternate between rising and falling as random ones do.
    const means = grouped.flat().map((x) => x.reduce((s, i) => s + lengths[i]!, 0) / x.length);
    const rises = means.slice(1).filter((x, i) => x > means[i]!).length;
    expect(rises).toBeGreaterThan(30);
    expect(rises).toBeLessThan(70);
  });

  test("tokenBudget: micro-batches within the budget", () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 97, max: 400 }), ({ n, batchSize: _, ...rest }, tokenBudget) => {
        const lengths = lengthsOf(n);
        const steps = batches({ lengths, ...rest, tokenBudget });
        expect(sorted(steps.flat(2))).toEqual(count(n));
        for (const x of steps.flat()) expect(x.reduce((s, i) => s + lengths[i]!, 0)).toBeLessThanOrEqual(tokenBudget);
      }),
    );
  });

  test("wrong options name themselves", () => {
    const lengths = [1, 2];
    for (const batchSize of [0, -1, 1.5, Number.NaN])
      expect(() => batches({ lengths, batchSize })).toThrow(/batchSize/);
    for (const accumulation of [0, 0.5]) expect(() => batches({ lengths, accumulation })).toThrow(/accumulation/);
    expect(() => batches({ lengths, epoch: -1 })).toThrow(/epoch/);
    expect(() => batches({ lengths, tokenBudget: 1 })).toThrow(/example 1 has 2 tokens, more than the budget of 1/);
    expect(() => batches({ lengths, tokenBudget: 0 })).toThrow(/budget/);
  });
});

describe("trainingSteps", () => {
  const take = (from: Cursor | undefined, n: number, extra = {}) => {
    const out: { epoch: number; step: number; batches: Step; next: Cursor }[] = [];
    for (const x of trainingSteps({ lengths: lengthsOf(23), batchSize: 2, accumulation: 3, seed: 4, ...extra }, from)) {
      out.push(x);
      if (out.length === n) break;
    }
    return out;
  };

  test.each([{}, { groupByLength: true }, { tokenBudget: 120 }])(
    "resumed anywhere is as uninterrupted (%j)",
    (extra) => {
      const whole = take(undefined, 17, extra);
      expect(whole.at(-1)!.epoch).toBeGreaterThan(2);
      for (let i = 0; i < 16; i++) {
        const saved = JSON.parse(JSON.stringify(whole[i]!.next)) as Cursor;
        expect(take(saved, 16 - i, extra)).toEqual(whole.slice(i + 1));
      }
    },
  );

  test("each epoch has every example", () => {
    const all = take(undefined, 8);
    expect(sorted(all.slice(0, 4).flatMap((x) => x.batches.flat()))).toEqual(count(23));
    expect(all.map((x) => [x.epoch, x.step])).toEqual([0, 1].flatMap((e) => [0, 1, 2, 3].map((s) => [e, s])));
    expect(all[3]!.next).toEqual({ epoch: 1, step: 0 });
  });

  test("nothing to train on, and a cursor of other data", () => {
    expect(() => trainingSteps({ lengths: [] }).next()).toThrow(/no examples/);
    expect(() => trainingSteps({ lengths: [1, 2] }, { epoch: 0, step: 9 }).next()).toThrow(/step 9 of an epoch of 2/);
  });
});

describe("firstFit", () => {
  test("as the plain algorithm", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 120 }),
        fc.integer({ min: 50, max: 120 }),
        fc.integer({ min: 1, max: 6 }),
        (lengths, budget, maxItems) => {
          const plain: number[][] = [];
          lengths.forEach((length, i) => {
            const room = (bin: number[]) => budget - bin.reduce((s, j) => s + lengths[j]!, 0);
            const bin = plain.find((x) => x.length < maxItems && room(x) >= length);
            if (bin) bin.push(i);
            else plain.push([i]);
          });
          expect(firstFit(count(lengths.length), lengths, { budget, maxItems })).toEqual(plain);
        },
      ),
    );
  });

  test("fills well", () => {
    const lengths = Array.from(permutation(5000, { seed: 1, stream: 9 }), (x) => 1 + (x % 500));
    const bins = firstFit(count(5000), lengths, { budget: 2048 });
    const total = lengths.reduce((a, b) => a + b, 0);
    expect(total / (bins.length * 2048)).toBeGreaterThan(0.97);
  });
});

describe("splitHeldOut", () => {
  test("disjoint, complete, seeded, in order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.nat(),
        (n, fraction, seed) => {
          const { train, heldOut } = splitHeldOut(count(n), { fraction, seed });
          expect(sorted([...train, ...heldOut])).toEqual(count(n));
          expect(train).toEqual(sorted(train));
          expect(heldOut).toEqual(sorted(heldOut));
          expect(heldOut.length).toBe(Math.min(n - 1, Math.max(1, Math.round(n * fraction))));
          expect(splitHeldOut(count(n), { fraction, seed })).toEqual({ train, heldOut });
        },
      ),
    );
    expect(splitHeldOut(count(100), { count: 10, seed: 1 }).heldOut).not.toEqual(
      splitHeldOut(count(100), { count: 10, seed: 2 }).heldOut,
    );
  });

  test("groups stay together", () => {
    const { train, heldOut } = splitHeldOut(count(100), { count: 20, groupBy: (x) => String(x % 13) });
    expect(heldOut.length).toBeGreaterThanOrEqual(20);
    expect(heldOut.length).toBeLessThan(28);
    const keys = new Set(heldOut.map((x) => x % 13));
    expect(train.some((x) => keys.has(x % 13))).toBe(false);
  });

  test("what cannot be", () => {
    expect(() => splitHeldOut([1, 2], {})).toThrow(TypeError);
    expect(() => splitHeldOut([1, 2], { count: 1, fraction: 0.5 })).toThrow(TypeError);
    expect(() => splitHeldOut([1, 2], { count: 2 })).toThrow(/cannot hold out 2 of 2/);
    expect(() => splitHeldOut([1], { fraction: 1.5 })).toThrow(/fraction is 1.5/);
    expect(() => splitHeldOut([1, 2, 3], { count: 1, groupBy: () => "same" })).toThrow(/groups/);
    expect(splitHeldOut([1, 2], { count: 0 }).heldOut).toEqual([]);
  });
});
