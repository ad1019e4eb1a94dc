// @qlora/kernels besides the products: attention forward and backward, norms, SwiGLU, cross-entropy.
import * as kernels from "@qlora/kernels";
import { type Case, type CaseGroup, normals } from "../case.js";

/** e^x and sums in f32, against the same in f64. */
const TOLERANCE = 1e-4;

export const dense: CaseGroup = {
  names: ["attention", "attentionBackward", "rmsNorm", "swiglu", "crossEntropy"],
  make({ quick }) {
    const cases: Case[] = [];
    for (const t of quick ? [512] : [512, 2048]) cases.push(...attentionCases(t, 16, 64));
    const [m, d, f, v] = [512, 4096, 11008, 32000];
    const x = normals(m * d);
    const weight = normals(d, 0.1, 3);
    const y = new Float32Array(m * d);
    const invRms = new Float32Array(m);
    cases.push({
      name: "rmsNorm",
      shape: `${m} × ${d}`,
      unit: "GB/s",
      work: (8 * m * d) / 1e9,
      ceiling: { name: "copy", work: (8 * m * d) / 1e9 },
      run: () => kernels.rmsNorm(x, weight, y, invRms, { m, d, eps: 1e-5 }),
      check() {
        kernels.rmsNorm(x, weight, y, invRms, { m, d, eps: 1e-5 });
        const row = x.subarray(0, d);
        const expected = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / d + 1e-5);
        if (Math.abs(invRms[0]! / expected - 1) > TOLERANCE) throw new Error("rmsNorm is wrong; not timed");
      },
    });
    const gate = normals(m * f, 1, 5);
    const up = normals(m * f, 1, 6);
    const out = new Float32Array(m * f);
    cases.push({
      name: "swiglu",
      shape: `${m} × ${f}`,
      unit: "GB/s",
      work: (12 * m * f) / 1e9,
      ceiling: { name: "copy", work: (12 * m * f) / 1e9 },
      run: () => kernels.swiglu(gate, up, out, { n: m * f }),
      check() {
        kernels.swiglu(gate, up, out, { n: m * f });
        const expected = (gate[7]! / (1 + Math.exp(-gate[7]!))) * up[7]!;
        if (Math.abs(out[7]! - expected) > TOLERANCE * Math.abs(expected))
          throw new Error("swiglu is wrong; not timed");
      },
    });
    const rows = 128;
    const logits = normals(rows * v, 2, 9);
    const work = new Float32Array(rows * v);
    const labels = Int32Array.from({ length: rows }, (_, i) => (i * 37) % v);
    const losses = new Float32Array(rows);
    cases.push({
      name: "crossEntropy",
      shape: `${rows} × ${v}`,
      unit: "GB/s",
      work: (8 * rows * v) / 1e9,
      ceiling: { name: "copy", work: (8 * rows * v) / 1e9 },
      // It overwrites the logits; running it on its own output costs the same.
      run: () => kernels.crossEntropy(work, labels, losses, { m: rows, v, scale: 1 }),
      check() {
        work.set(logits);
        kernels.crossEntropy(work, labels, losses, { m: rows, v, scale: 1 });
        const row = logits.subarray(0, v);
        const expected = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[labels[0]!]!;
        if (Math.abs(losses[0]! - expected) > TOLERANCE * expected) throw new Error("crossEntropy is wrong; not timed");
      },
    });
    return cases;
  },
};

function attentionCases(t: number, heads: number, headDim: number): Case[] {
  const n = t * heads * headDim;
  const [q, k, v, dout] = [1, 2, 3, 4].map((seed) => normals(n, 1, seed)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [out, dq, dk, dv] = Array.from({ length: 4 }, () => new Float32Array(n)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const lse = new Float32Array(heads * t);
  const cu = Int32Array.of(0, t);
  const options = { heads, kvHeads: heads, headDim, scale: 1 / Math.sqrt(headDim) };
  const pairs = (heads * t * (t + 1)) / 2;
  const shape = `${t} tokens, ${heads} heads of ${headDim}, causal`;
  const forward = () => kernels.attention(q, k, v, out, lse, cu, cu, options);
  const check = () => {
    forward();
    const last = t - 1; // the last query of the first head against f64
    const row = q.subarray(last * heads * headDim, last * heads * headDim + headDim);
    const scores = Array.from(
      { length: t },
      (_, j) => row.reduce((sum, value, i) => sum + value * k[j * heads * headDim + i]!, 0) * options.scale,
    );
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    if (Math.abs(lse[last]! - Math.log(total)) > TOLERANCE * Math.abs(Math.log(total)))
      throw new Error("attention is wrong; not timed");
  };
  const flops = (2 * 2 * pairs * headDim) / 1e9;
  const common = { shape, unit: "GFLOP/s" as const, check };
  return [
    { name: "attention", ...common, work: flops, ceiling: { name: "fma", work: flops }, run: forward },
    {
      name: "attentionBackward",
      ...common,
      work: 2.5 * flops,
      ceiling: { name: "fma", work: 2.5 * flops },
      run: () => kernels.attentionBackward(dout, q, k, v, out, lse, cu, dq, dk, dv, options),
    },
  ];
}
