// Every operation but the matrix products as data: its arrays by name for any sizes, and how to call it. What all
// operations must do alike is tested over this list.
import fc from "fast-check";
import type * as kernels from "../src/index.js";
import * as reference from "../src/reference.js";
import { FEW_ROUNDINGS, FLOAT32_SUMS, random } from "./compare.js";

type Kernels = Omit<
  typeof kernels,
  "threads" | "setThreads" | "simd" | "setSimd" | "simds" | "ropeTables" | "ropeFrequencies"
>;
export type Arrays = Record<string, Float32Array | Int32Array | Uint16Array>;
// biome-ignore lint/suspicious/noExplicitAny: options differ by operation, and are abused on purpose
export type Options = any;

export interface Operation {
  name: string;
  /** Sizes to try. */
  options: fc.Arbitrary<Options>;
  /** Sizes that occupy several threads. */
  large: Options;
  /** Sizes for what takes many calls. */
  small: Options;
  arrays(options: Options): Arrays;
  // biome-ignore lint/suspicious/noExplicitAny: arrays of the public functions, or float64 ones of the reference
  call(k: Kernels | typeof reference, arrays: any, options: Options): unknown;
  outputs: string[];
  tolerance: number;
  /** As in expectClose. */
  terms?: number;
  /** Arrays whose length says something, so that a longer one is not the same. */
  exact?: string[];
}

const size = (max: number) => fc.nat({ max });
const ids = (n: number, end: number, seed: number) =>
  Int32Array.from(random(n, seed), (x) => Math.floor(Math.abs(x) * 1e4) % end);
const matrix = { options: fc.record({ m: size(5), d: size(150) }), large: { m: 101, d: 1100 }, small: { m: 2, d: 5 } };
const vector = { options: fc.record({ n: size(300) }), large: { n: 100_003 }, small: { n: 40 } };

interface Segment {
  queries: number;
  keys: number;
}
interface AttentionSizes extends kernels.AttentionOptions {
  segments: Segment[];
}
const cumulative = (lengths: number[]) =>
  Int32Array.from([0, ...lengths].map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0)));
const attention = {
  options: fc
    .record({
      kvHeads: fc.integer({ min: 1, max: 3 }),
      group: fc.integer({ min: 1, max: 4 }),
      headDim: fc.integer({ min: 1, max: 40 }),
      segments: fc.array(fc.record({ queries: size(40), keys: size(60) }), { maxLength: 3 }),
    })
    .map(({ kvHeads, group, headDim, segments }) => ({
      heads: kvHeads * group,
      kvHeads,
      headDim,
      scale: headDim ** -0.5,
      segments,
    })),
  large: {
    heads: 8,
    kvHeads: 2,
    headDim: 32,
    scale: 0.2,
    segments: [
      { queries: 150, keys: 150 },
      { queries: 33, keys: 210 },
    ],
  },
  small: {
    heads: 2,
    kvHeads: 1,
    headDim: 3,
    scale: 1,
    segments: [
      { queries: 2, keys: 2 },
      { queries: 1, keys: 3 },
    ],
  },
  terms: 1, // scores and gradients of size 1 cancel where a query sees few keys
  arrays({ heads, kvHeads, headDim, segments, scale }: AttentionSizes) {
    const cuQ = cumulative(segments.map((s) => s.queries));
    const cuK = cumulative(segments.map((s) => s.keys));
    const [tq, tk] = [cuQ.at(-1)!, cuK.at(-1)!];
    const [q, k, v] = [
      random(tq * heads * headDim, 1),
      random(tk * kvHeads * headDim, 2),
      random(tk * kvHeads * headDim, 3),
    ];
    const [out, lse] = [new Float32Array(q.length), new Float32Array(heads * tq)];
    reference.attention(q, k, v, out, lse, cuQ, cuK, { heads, kvHeads, headDim, scale });
    return { q, k, v, out, lse, cuQ, cuK };
  },
};

export const operations: Operation[] = [
  {
    name: "rmsNorm",
    ...matrix,
    arrays: ({ m, d }) => ({ x: random(m * d, 1), weight: random(d, 2), y: random(m * d, 3), invRms: random(m, 4) }),
    call: (k, { x, weight, y, invRms }, o) => k.rmsNorm(x, weight, y, invRms, { eps: 1e-5, ...o }),
    outputs: ["y", "invRms"],
    tolerance: FLOAT32_SUMS,
  },
  {
    name: "rmsNormBackward",
    ...matrix,
    arrays: ({ m, d }) => ({
      dy: random(m * d, 1),
      x: random(m * d, 2),
      weight: random(d, 3),
      invRms: random(m, 4).map(Math.abs),
      dx: random(m * d, 5),
      dweight: random(d, 6),
    }),
    call: (k, a, o) => k.rmsNormBackward(a.dy, a.x, a.weight, a.invRms, a.dx, a.dweight, o),
    outputs: ["dx", "dweight"],
    tolerance: FLOAT32_SUMS,
  },
  {
    name: "rope",
    options: fc.record({
      m: size(5),
      heads: size(3),
      headDim: fc.integer({ min: 1, max: 40 }).map((half) => 2 * half),
    }),
    large: { m: 300, heads: 4, headDim: 64 },
    small: { m: 2, heads: 2, headDim: 6 },
    arrays: ({ m, heads, headDim }) => ({
      x: random(m * heads * headDim, 1),
      positions: ids(m, 9, 2).fill(8, 0, 1), // the last row of the tables is used
      cos: random((9 * headDim) / 2, 3),
      sin: random((9 * headDim) / 2, 4),
    }),
    call: (k, { x, positions, cos, sin }, o) => k.rope(x, positions, { cos, sin }, o),
    outputs: ["x"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "attention",
    ...attention,
    call: (k, { q, k: keys, v, out, lse, cuQ, cuK }, o) => k.attention(q, keys, v, out, lse, cuQ, cuK, o),
    outputs: ["out", "lse"],
    tolerance: FLOAT32_SUMS,
    exact: ["cuQ", "cuK"],
  },
  {
    name: "attentionBackward",
    ...attention,
    arrays(options) {
      const { cuQ, cuK, ...arrays } = attention.arrays(options);
      const { q, k } = arrays;
      const [dq, dk, dv] = [random(q.length, 5), random(k.length, 6), random(k.length, 7)];
      return { dout: random(q.length, 4), ...arrays, cuQ, dq, dk, dv, cuK };
    },
    call: (k, a, o) =>
      k.attentionBackward(a.dout, a.q, a.k, a.v, a.out, a.lse, a.cuQ, a.dq, a.dk, a.dv, { ...o, cuK: a.cuK }),
    outputs: ["dq", "dk", "dv"],
    tolerance: FLOAT32_SUMS,
    exact: ["cuQ", "cuK"],
  },
  {
    name: "swiglu",
    ...vector,
    arrays: ({ n }) => ({ gate: random(n, 1, 4), up: random(n, 2), y: random(n, 3) }),
    call: (k, { gate, up, y }, o) => k.swiglu(gate, up, y, o),
    outputs: ["y"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "swigluBackward",
    ...vector,
    arrays: ({ n }) => ({
      dy: random(n, 1),
      gate: random(n, 2, 4),
      up: random(n, 3),
      dgate: random(n, 4),
      dup: random(n, 5),
    }),
    call: (k, a, o) => k.swigluBackward(a.dy, a.gate, a.up, a.dgate, a.dup, o),
    outputs: ["dgate", "dup"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "crossEntropy",
    options: fc.record({
      m: size(5),
      v: fc.integer({ min: 1, max: 300 }),
      scale: fc.constantFrom(1, 0.3),
      gradient: fc.boolean(),
    }),
    large: { m: 40, v: 3001 },
    small: { m: 2, v: 5, scale: 1 },
    terms: 1, // log Σ e^x - x[label] cancels where the label is certain
    arrays: ({ m, v }) => ({
      logits: random(m * v, 1, 5),
      labels: ids(m, v, 2).map((label, i) => (i % 4 === 1 ? -100 : label)),
      losses: random(m, 3),
    }),
    call: (k, { logits, labels, losses }, o) => k.crossEntropy(logits, labels, losses, o),
    outputs: ["logits", "losses"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "embedding",
    options: fc.record({ m: size(9), d: size(40), vocab: fc.integer({ min: 1, max: 9 }), bf16: fc.boolean() }),
    large: { m: 300, d: 500, vocab: 40 },
    small: { m: 3, d: 4, vocab: 5 },
    arrays: ({ m, d, vocab, bf16 }) => {
      const table = random(vocab * d, 1);
      const y = random(m * d, 3);
      return { ids: ids(m, vocab, 2), table: bf16 ? new Uint16Array(table.length).fill(0x3fc0) : table, y };
    },
    call: (k, { ids, table, y }, o) => k.embedding(ids, table, y, o),
    outputs: ["y"],
    tolerance: 0,
  },
  {
    name: "embeddingBackward",
    options: fc.record({ m: size(9), d: size(40), vocab: fc.integer({ min: 1, max: 9 }) }),
    large: { m: 300, d: 500, vocab: 4 },
    small: { m: 3, d: 4, vocab: 5 },
    arrays: ({ m, d, vocab }) => ({ ids: ids(m, vocab, 2), dy: random(m * d, 3), dtable: random(vocab * d, 1) }),
    call: (k, { ids, dy, dtable }, o) => k.embeddingBackward(ids, dy, dtable, o),
    outputs: ["dtable"],
    tolerance: FLOAT32_SUMS,
  },
  {
    name: "add",
    ...vector,
    arrays: ({ n }) => ({ x: random(n, 1), y: random(n, 2) }),
    call: (k, { x, y }, o) => k.add(x, y, o),
    outputs: ["y"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "scale",
    ...vector,
    arrays: ({ n }) => ({ x: random(n, 1) }),
    call: (k, { x }, o) => k.scale(x, 0.75, o),
    outputs: ["x"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "sumSquares",
    ...vector,
    arrays: ({ n }) => ({ x: random(n, 1) }),
    call: (k, { x }, o) => k.sumSquares(x, o),
    outputs: [],
    tolerance: 0, // the same bits: every order of additions is fixed
  },
  {
    name: "dropout",
    options: fc.record({
      n: size(300),
      p: fc.double({ min: 0, max: 0.99, noNaN: true }),
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      offset: fc.oneof(size(200), fc.integer({ min: 0, max: 2 ** 52 })),
      accumulate: fc.boolean(),
    }),
    large: { n: 100_003, p: 0.3, seed: 5n, offset: 17 },
    small: { n: 40, p: 0.3, offset: 17 },
    arrays: ({ n }) => ({ x: random(n, 1), y: random(n, 2) }),
    call: (k, { x, y }, o) => k.dropout(x, y, { p: 0.5, seed: 1n, ...o }),
    outputs: ["y"],
    tolerance: FEW_ROUNDINGS,
  },
  {
    name: "toBf16",
    ...vector,
    arrays: ({ n }) => ({ x: random(n, 1), y: new Uint16Array(n) }),
    call: (k, { x, y }, o) => k.toBf16(x, y, o),
    outputs: ["y"],
    tolerance: 0,
  },
  {
    name: "fromBf16",
    ...vector,
    arrays: ({ n }) => ({ x: Uint16Array.from(random(n, 1), (x) => Math.abs(x) * 30000), y: random(n, 2) }),
    call: (k, { x, y }, o) => k.fromBf16(x, y, o),
    outputs: ["y"],
    tolerance: 0,
  },
];

/** The arrays with floats widened, for the reference. */
export function widened(arrays: Arrays): Record<string, Float64Array | Int32Array | Uint16Array> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, x]) => [name, x instanceof Float32Array ? Float64Array.from(x) : x.slice()]),
  );
}
