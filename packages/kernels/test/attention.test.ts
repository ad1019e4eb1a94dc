// What attention promises beyond its numbers: nothing leaks between tokens or segments, any split of a sequence agrees,
// extremes.
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type AttentionOptions, attention, attentionBackward, setSimd, simd, simds } from "../src/index.js";
import { expectClose, FLOAT32_SUMS, random } from "./compare.js";

const best = simd();
afterEach(() => setSimd(best));

const options = { heads: 4, kvHeads: 2, headDim: 16, scale: 0.25 };
const width = { q: options.heads * options.headDim, k: options.kvHeads * options.headDim };

function forward(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  cuQ: number[],
  cuK = cuQ,
  o: AttentionOptions = options,
) {
  const [out, lse] = [new Float32Array(q.length), new Float32Array(o.heads * cuQ.at(-1)!)];
  attention(q, k, v, out, lse, Int32Array.from(cuQ), Int32Array.from(cuK), o);
  return { out, lse };
}

function backward(dout: Float32Array, q: Float32Array, k: Float32Array, v: Float32Array, cu: number[]) {
  const { out, lse } = forward(q, k, v, cu);
  const [dq, dk, dv] = [q.slice(), k.slice(), v.slice()];
  attentionBackward(dout, q, k, v, out, lse, Int32Array.from(cu), dq, dk, dv, options);
  return { dq, dk, dv };
}

describe.each(simds())("%s", (set) => {
  test("what comes later changes no bit", () => {
    setSimd(set);
    const n = 230;
    const [q, k, v] = [random(n * width.q, 1), random(n * width.k, 2), random(n * width.k, 3)];
    const { out } = forward(q, k, v, [0, n]);
    for (const token of [1, 63, 64, 96, 129, 229]) {
      const [k2, v2] = [k.slice(), v.slice()];
      k2.fill(1e30, token * width.k);
      v2.fill(-1e30, token * width.k);
      const changed = forward(q, k2, v2, [0, n]).out;
      expect(changed.subarray(0, token * width.q)).toEqual(out.subarray(0, token * width.q));
      expect(changed.subarray(token * width.q)).not.toEqual(out.subarray(token * width.q));
    }
  });

  test("segments do not see one another: packed or alone, the same bits", () => {
    setSimd(set);
    const lengths = [70, 1, 0, 150];
    const cu = [0, 70, 71, 71, 221];
    const [q, k, v, dout] = [
      random(221 * width.q, 1),
      random(221 * width.k, 2),
      random(221 * width.k, 3),
      random(221 * width.q, 4),
    ];
    const packed = { ...forward(q, k, v, cu), ...backward(dout, q, k, v, cu) };
    for (const [i, n] of lengths.entries()) {
      const rows = (x: Float32Array, w: number) => x.slice(cu[i]! * w, cu[i + 1]! * w);
      const parts = [rows(q, width.q), rows(k, width.k), rows(v, width.k)] as const;
      expect(rows(packed.out, width.q)).toEqual(forward(...parts, [0, n]).out);
      const alone = backward(rows(dout, width.q), ...parts, [0, n]);
      // The heads of a group may be summed in another grouping, so dk and dv agree to rounding.
      expect(rows(packed.dq, width.q)).toEqual(alone.dq);
      expectClose(rows(packed.dk, width.k), alone.dk, FLOAT32_SUMS);
      expectClose(rows(packed.dv, width.k), alone.dv, FLOAT32_SUMS);
    }
  });

  test("a sequence in pieces with a cache equals the whole", () => {
    setSimd(set);
    const n = 150;
    const [q, k, v] = [random(n * width.q, 1), random(n * width.k, 2), random(n * width.k, 3)];
    const whole = forward(q, k, v, [0, n]).out;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: n - 1 }), fc.integer({ min: 1, max: n }), (begin, count) => {
        const end = Math.min(n, begin + count);
        const piece = forward(q.subarray(begin * width.q, end * width.q), k, v, [0, end - begin], [0, end]).out;
        expectClose(piece, whole.subarray(begin * width.q, end * width.q), FLOAT32_SUMS);
      }),
      { numRuns: 30 },
    );
  });

  test("scores of any size", () => {
    setSimd(set);
    const one = { heads: 1, kvHeads: 1, headDim: 1, scale: 1 };
    const run = (scores: number[], values: number[]) => {
      const n = scores.length;
      return forward(new Float32Array([1]), Float32Array.from(scores), Float32Array.from(values), [0, 1], [0, n], one);
    };
    expect(run([2e38, -2e38, 2e38], [1, 5, 3]).out[0]).toBe(2);
    expect(run([1000, 1000], [1, 3]).lse[0]).toBeCloseTo(1000 + Math.LN2, 3);
    expect(run([-1000, -1000], [1, 3]).lse[0]).toBeCloseTo(-1000 + Math.LN2, 3);
    expect(run([-Infinity, 0], [9, 3]).out[0]).toBe(3);
    expect(run([0, Number.NaN], [1, 1]).out[0]).toBeNaN();
    expect(run([0, Infinity], [1, 1]).out[0]).toBeNaN();
    const long = Array.from({ length: 500 }, (_, i) => (i === 123 ? 200 : 0));
    expect(run(long, long).out[0]).toBe(200);
  });

  test("a query without keys gives zeros, -Infinity and no gradient", () => {
    setSimd(set);
    const [q, k, v] = [random(5 * width.q, 1), random(2 * width.k, 2), random(2 * width.k, 3)];
    const { out, lse } = forward(q, k, v, [0, 5], [0, 2]);
    expect(out.subarray(0, 3 * width.q).every((x) => x === 0)).toBe(true);
    for (let head = 0; head < options.heads; head++)
      expect([...lse.subarray(head * 5, head * 5 + 4)].map((x) => x === -Infinity)).toEqual([true, true, true, false]);
    const [dq, dk, dv] = [q.slice(), k.slice(), v.slice()];
    const cuK = Int32Array.of(0, 2);
    attentionBackward(random(q.length, 4), q, k, v, out, lse, Int32Array.of(0, 5), dq, dk, dv, { ...options, cuK });
    expect(dq.subarray(0, 3 * width.q).every((x) => x === 0)).toBe(true);
    expect([...dq, ...dk, ...dv].every(Number.isFinite)).toBe(true);
  });
});
