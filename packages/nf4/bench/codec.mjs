// The codec's speed beside the machine's memory ceilings: every round runs every contender once; medians of times and of
// per-round ratios. Rounds in which our threads waited more than 4 % of the time for a processor are repeated, up to four times
// as many. Needs a build (`pnpm build`). Usage: node bench/codec.mjs [--elements 67108864] [--rounds 15] [--json]
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { dequantize, quantize, simd, threads } from "@qlora/nf4";

const { values } = parseArgs({
  options: {
    elements: { type: "string", default: String(1 << 26) },
    rounds: { type: "string", default: "15" },
    json: { type: "boolean", default: false },
  },
});
const n = Number(values.elements);
const rounds = Number(values.rounds);

const ceilings = createRequire(import.meta.url)("../build/Release/nf4-bench.node");
ceilings.setThreads(threads());

const weights = new Float32Array(n);
for (let i = 0, state = 1; i < n; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  weights[i] = (state / 2 ** 31) * (1 + (i % 7)) * 0.01;
}
const halves = new Uint16Array(n);
const bits = new Uint32Array(weights.buffer);
for (let i = 0; i < n; i++) halves[i] = bits[i] >>> 16;
const f32 = new Float32Array(n);
const bf16 = new Uint16Array(n);
const shape = [n];
const q = quantize(weights, { shape });
const plain = quantize(weights, { shape, doubleQuant: false });

const contenders = {
  "store ceiling (non-temporal)": { bytes: 4 * n, run: () => ceilings.store(f32) },
  "load ceiling": { bytes: 4 * n, run: () => ceilings.load(weights) },
  "dequantize f32": { bytes: 4 * n, run: () => dequantize(q, { out: f32 }) },
  "dequantize f32, plain scales": { bytes: 4 * n, run: () => dequantize(plain, { out: f32 }) },
  "dequantize bf16": { bytes: 2 * n, run: () => dequantize(q, { out: bf16 }) },
  "quantize f32": { run: () => quantize(weights, { shape }) },
  "quantize f32, plain scales": { run: () => quantize(weights, { shape, doubleQuant: false }) },
  "quantize bf16": { run: () => quantize(halves, { shape }) },
  "quantize bf16, plain scales": { run: () => quantize(halves, { shape, doubleQuant: false }) },
};
const names = Object.keys(contenders);
const times = Object.fromEntries(names.map((name) => [name, []]));
let dropped = 0;
for (const name of names) contenders[name].run();
while (times[names[0]].length < rounds) {
  const begin = { wait: waited(), time: performance.now() };
  const round = names.map((name) => {
    const start = performance.now();
    contenders[name].run();
    return (performance.now() - start) / 1000;
  });
  const waitShare = (waited() - begin.wait) / (performance.now() - begin.time);
  if (waitShare > 0.04 && dropped < 4 * rounds) {
    dropped++;
    continue;
  }
  for (const [i, name] of names.entries()) times[name].push(round[i]);
}

/** Milliseconds that this process's threads were ready to run and waited for a processor (Linux; 0 elsewhere). */
function waited() {
  try {
    const nanoseconds = readdirSync("/proc/self/task").map((id) =>
      Number(readFileSync(`/proc/self/task/${id}/schedstat`, "utf8").split(" ")[1]),
    );
    return nanoseconds.reduce((sum, ns) => sum + ns, 0) / 1e6;
  } catch {
    return 0;
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const results = names.map((name) => {
  const seconds = median(times[name]);
  const { bytes } = contenders[name];
  const ceiling = names[0];
  const ofCeiling = bytes && median(times[name].map((t, i) => (bytes / t) * (times[ceiling][i] / (4 * n))));
  return { name, gElements: n / seconds / 1e9, storedGB: bytes && bytes / seconds / 1e9, ofCeiling };
});
if (values.json)
  console.log(JSON.stringify({ cpu: cpus()[0].model, threads: threads(), simd: simd(), n, rounds, dropped, results }));
else {
  console.log(
    `${cpus()[0].model}, ${threads()} threads, ${simd()}, ${n} elements, ${rounds} rounds (${dropped} more dropped), medians`,
  );
  for (const { name, gElements, storedGB, ofCeiling } of results)
    console.log(
      `${name.padEnd(30)} ${gElements.toFixed(2).padStart(6)} G elements/s` +
        (storedGB
          ? `  ${storedGB.toFixed(1).padStart(5)} GB/s moved  ${(100 * ofCeiling).toFixed(0)} % of the store ceiling`
          : ""),
    );
}
