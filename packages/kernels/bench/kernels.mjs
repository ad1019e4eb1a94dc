// Speed of every operation but the matrix products:
//   node bench/kernels.mjs [filter] [--threads N] [--simd NAME] [--seconds S] [--cpu]
// Prints the median of the rounds. GFLOP/s counts the multiplications and additions of the visible (query, key) pairs,
// GB/s what must be read and written at least once. --cpu counts the process's processor time instead of the clock's, for
// one thread on a busy machine.
import { parseArgs } from "node:util";
import * as kernels from "../dist/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    simd: { type: "string" },
    seconds: { type: "string", default: "0.5" },
    cpu: { type: "boolean" },
  },
});
if (values.threads) kernels.setThreads(Number(values.threads));
if (values.simd) kernels.setSimd(values.simd);
if (values.cpu) kernels.setThreads(1);
const filter = new RegExp(positionals[0] ?? "");

const random = (n) => Float32Array.from({ length: n }, () => Math.random() * 2 - 1);
const segments = (count, length) => Int32Array.from({ length: count + 1 }, (_, i) => i * length);

/** Milliseconds since some moment. */
function now() {
  if (!values.cpu) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function report(name, { flops, bytes }, run) {
  if (!filter.test(name)) return;
  run();
  const times = [];
  for (const end = performance.now() + 1000 * Number(values.seconds); performance.now() < end || times.length < 5; ) {
    const start = now();
    run();
    times.push(now() - start);
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1];
  const rate = flops ? `${(flops / median / 1e6).toFixed(0)} GFLOP/s` : `${(bytes / median / 1e6).toFixed(1)} GB/s`;
  const best = flops ? flops / times[0] / 1e6 : bytes / times[0] / 1e6;
  console.log(`${name.padEnd(60)} ${median.toFixed(3).padStart(9)} ms ${rate.padStart(13)}  best ${best.toFixed(1)}`);
}

console.log(`${kernels.simd()}, ${kernels.threads()} threads`);

for (const [heads, kvHeads, headDim, count, queries, keys] of [
  [8, 8, 64, 1, 512, 512],
  [8, 8, 64, 1, 2048, 2048],
  [8, 8, 128, 1, 512, 512],
  [8, 8, 128, 1, 2048, 2048],
  [32, 8, 64, 1, 1024, 1024],
  [14, 2, 64, 1, 1024, 1024],
  [32, 4, 64, 16, 128, 128],
  [8, 8, 128, 1, 1, 2048],
  [32, 8, 64, 1, 1, 2048],
]) {
  const name = `H ${heads} Hkv ${kvHeads} d ${headDim} segments ${count} q ${queries} k ${keys}`;
  const [tq, tk] = [count * queries, count * keys];
  const q = random(tq * heads * headDim);
  const k = random(tk * kvHeads * headDim);
  const v = random(tk * kvHeads * headDim);
  const dout = random(q.length);
  const [out, dq] = [new Float32Array(q.length), new Float32Array(q.length)];
  const [dk, dv] = [new Float32Array(k.length), new Float32Array(k.length)];
  const lse = new Float32Array(heads * tq);
  const [cuQ, cuK] = [segments(count, queries), segments(count, keys)];
  const options = { heads, kvHeads, headDim, scale: headDim ** -0.5 };
  const pairs = heads * count * (queries * (keys - queries) + (queries * (queries + 1)) / 2);
  report(`attention ${name}`, { flops: 4 * pairs * headDim }, () =>
    kernels.attention(q, k, v, out, lse, cuQ, cuK, options),
  );
  if (queries > 1)
    report(`attentionBackward ${name}`, { flops: 10 * pairs * headDim }, () =>
      kernels.attentionBackward(dout, q, k, v, out, lse, cuQ, dq, dk, dv, { ...options, cuK }),
    );
}

for (const [m, v] of [
  [64, 32000],
  [64, 151936],
]) {
  const logits = random(m * v);
  const labels = Int32Array.from({ length: m }, (_, i) => (i * 7919) % v);
  const losses = new Float32Array(m);
  report(`crossEntropy m ${m} v ${v}`, { bytes: 8 * m * v }, () =>
    kernels.crossEntropy(logits, labels, losses, { m, v }),
  );
  report(`crossEntropy m ${m} v ${v} without gradient`, { bytes: 4 * m * v }, () =>
    kernels.crossEntropy(logits, labels, losses, { m, v, gradient: false }),
  );
}

for (const [m, d] of [
  [64, 2048],
  [2048, 4096],
]) {
  const n = m * d;
  const [x, dy, y, dx] = [random(n), random(n), new Float32Array(n), new Float32Array(n)];
  const [weight, dweight, invRms] = [random(d), new Float32Array(d), new Float32Array(m)];
  report(`rmsNorm m ${m} d ${d}`, { bytes: 8 * n }, () => kernels.rmsNorm(x, weight, y, invRms, { m, d, eps: 1e-5 }));
  report(`rmsNormBackward m ${m} d ${d}`, { bytes: 16 * n }, () =>
    kernels.rmsNormBackward(dy, x, weight, invRms, dx, null, { m, d }),
  );
  report(`rmsNormBackward m ${m} d ${d} with dweight`, { bytes: 16 * n }, () =>
    kernels.rmsNormBackward(dy, x, weight, invRms, dx, dweight, { m, d }),
  );
  report(`swiglu n ${n}`, { bytes: 12 * n }, () => kernels.swiglu(x, dy, y, { n }));
  report(`swigluBackward n ${n}`, { bytes: 20 * n }, () => kernels.swigluBackward(dy, x, y, dx, y, { n }));
  report(`add n ${n}`, { bytes: 12 * n }, () => kernels.add(x, y, { n }));
  report(`scale n ${n}`, { bytes: 8 * n }, () => kernels.scale(y, 1, { n }));
  report(`sumSquares n ${n}`, { bytes: 4 * n }, () => kernels.sumSquares(x, { n }));
  report(`dropout n ${n}`, { bytes: 8 * n }, () => kernels.dropout(x, y, { n, p: 0.1, seed: 1n }));
  const half = new Uint16Array(n);
  report(`toBf16 n ${n}`, { bytes: 6 * n }, () => kernels.toBf16(x, half, { n }));
  report(`fromBf16 n ${n}`, { bytes: 6 * n }, () => kernels.fromBf16(half, y, { n }));
  const [heads, headDim] = [d / 64, 64];
  const tables = kernels.ropeTables({ positions: m, headDim, theta: 10000 });
  const positions = Int32Array.from({ length: m }, (_, i) => i);
  report(`rope m ${m} heads ${heads} headDim ${headDim}`, { bytes: 8 * n }, () =>
    kernels.rope(y, positions, tables, { m, heads, headDim }),
  );
  const table = random(1000 * d);
  const ids = Int32Array.from({ length: m }, (_, i) => (i * 7919) % 1000);
  report(`embedding m ${m} d ${d}`, { bytes: 8 * n }, () => kernels.embedding(ids, table, y, { m, d, vocab: 1000 }));
  report(`embeddingBackward m ${m} d ${d}`, { bytes: 12 * n }, () =>
    kernels.embeddingBackward(ids, y, table, { m, d, vocab: 1000 }),
  );
}
